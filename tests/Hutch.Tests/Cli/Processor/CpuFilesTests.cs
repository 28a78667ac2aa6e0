using System;
using System.IO;
using System.Text;
using System.Text.Json;
using Hutch.Cli;
using Hutch.Cli.Commands;
using Hutch.Cli.Processor;
using Hutch.Model.Processor;
using Xunit;

namespace Hutch.Tests.Cli.Processor;

/// <summary>What 'hutch cpu' reads and writes.</summary>
public sealed class CpuFilesTests
{
    private static CpuDescription Parse(string text) => DescriptionFile.Parse(Encoding.UTF8.GetBytes(text));

    [Fact]
    public void A_description_survives_its_file()
    {
        CpuDescription host = CpuDescription.Of(CpuModelCatalog.Find("EPYC-Milan")!) with { Name = "host", OnRequest = FeatureNames.Parse("ss") };
        using var stream = new MemoryStream();
        using (var json = new Utf8JsonWriter(stream))
        {
            json.WriteStartObject();
            host.WriteMembers(json);
            json.WriteEndObject();
        }
        Assert.Equal(host, DescriptionFile.Parse(stream.ToArray()));
    }

    [Fact]
    public void The_cpu_of_libvirts_capabilities_is_read()
    {
        CpuDescription cpu = Parse("""
            <?xml version='1.0'?>
            <capabilities><host><uuid>1</uuid><cpu><arch>x86_64</arch><model>Haswell-noTSX</model><vendor>Intel</vendor>
              <topology sockets='1' cores='4' threads='2'/><feature name='ss'/><feature policy='disable' name='smep'/><feature name='vmx'/><feature name='not-known'/></cpu></host></capabilities>
            """);
        FeatureSet model = CpuDescription.Of(CpuModelCatalog.Find("Haswell-noTSX")!).Features;
        Assert.Equal(CpuVendor.Intel, cpu.Identity.Vendor);
        Assert.Equal("ss", cpu.Features.Except(model).ToString());
        Assert.Equal("smep", model.Except(cpu.Features).ToString());
    }

    [Theory]
    [InlineData("")]
    [InlineData("{}")]
    [InlineData("[1]")]
    [InlineData("""{"name":"x","vendor":"GenuineIntel","family":6,"model":60,"stepping":4,"modelId":"","features":["nonsense"]}""")]
    [InlineData("""{"name":"x","vendor":"GenuineIntel","family":-6,"model":60,"stepping":4,"modelId":"","features":[]}""")]
    [InlineData("<cpu/>")]
    [InlineData("<cpu><model>nonsense</model></cpu>")]
    [InlineData("<!DOCTYPE a [<!ENTITY b 'c'>]><cpu><model>&b;</model></cpu>")]
    [InlineData("<cpu><model>Haswell")]
    public void What_is_no_description_is_refused_in_one_sentence(string text)
    {
        string path = Path.GetTempFileName();
        try
        {
            File.WriteAllText(path, text);
            UserException refused = Assert.Throws<UserException>(() => DescriptionFile.Read(path));
            Assert.StartsWith($"The CPU description '{path}' cannot be used: ", refused.Message, StringComparison.Ordinal);
            Assert.EndsWith("; write one with 'hutch cpu describe host'.", refused.Message, StringComparison.Ordinal);
        }
        finally
        {
            File.Delete(path);
        }
    }

    [Fact]
    public void The_list_names_what_an_engine_lacks()
    {
        FeatureSet all = FeatureNames.Known.Except(FeatureNames.Parse("pku hle"));
        var offer = new CpuOffer("software", new CpuIdentity(CpuVendor.Amd, 25, 1, 1, "CPU"), all, all);
        using var text = new StringWriter();
        CpuCommand.WriteTable(text, [offer]);
        string list = text.ToString();
        Assert.Contains("ON THE SOFTWARE ENGINE", list, StringComparison.Ordinal);
        Assert.Matches("EPYC-Milan-v1 +EPYC-Milan +amd +needs pku\n", list);
        Assert.Matches("Haswell-v1 +Haswell +intel +needs hle\n", list);
        Assert.Matches("Haswell-v2 +Haswell-noTSX +intel +usable\n", list);
    }

    [Theory]
    [InlineData("[]")]
    [InlineData("nonsense")]
    [InlineData("""[{"engine":"software"}]""")]
    public void An_answer_of_another_version_is_refused(string answer) =>
        Assert.StartsWith("The VM program's answer is not understood", Assert.Throws<UserException>(() => EngineOffers.Read(answer)).Message, StringComparison.Ordinal);
}
