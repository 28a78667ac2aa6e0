using System;
using System.IO;
using System.Text.Json;
using System.Xml;
using Hutch.Model.Machine;
using Hutch.Model.Processor;

namespace Hutch.Cli.Processor;

/// <summary>Reads a CPU's description: JSON of <c>hutch cpu describe</c>, or the <c>cpu</c> element of libvirt's XML.</summary>
internal static class DescriptionFile
{
    // The longest that is written has some kilobytes.
    private const int MostBytes = 1 << 20;

    /// <summary>Reads a file, or standard input where it is "-". Throws <see cref="UserException"/>.</summary>
    internal static CpuDescription Read(string path)
    {
        try
        {
            using Stream stream = path == "-" ? Console.OpenStandardInput() : File.OpenRead(path);
            byte[] bytes = new byte[MostBytes];
            int length = stream.ReadAtLeast(bytes, MostBytes, throwOnEndOfStream: false);
            if (length == MostBytes) throw new FormatException($"it is longer than {MostBytes >> 10} KiB");
            return Parse(bytes.AsMemory(0, length));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or FormatException or JsonException or XmlException)
        {
            throw new UserException($"The CPU description '{path}' cannot be used: {e.Message.TrimEnd('.')}; write one with 'hutch cpu describe host'.", ExitStatus.BadConfiguration);
        }
    }

    /// <summary>Parses a description. Throws <see cref="FormatException"/>, <see cref="JsonException"/> or <see cref="XmlException"/>.</summary>
    internal static CpuDescription Parse(ReadOnlyMemory<byte> text)
    {
        if (text.Span.TrimStart("\uFEFF \t\r\n"u8).StartsWith("<"u8)) return ParseXml(text);
        using JsonDocument json = JsonDocument.Parse(text);
        return CpuDescription.Read(json.RootElement);
    }

    // <cpu><model>NAME</model><vendor>V</vendor><feature name='F' policy='require|disable'/></cpu>, alone or within <capabilities> or <domainCapabilities>.
    private static CpuDescription ParseXml(ReadOnlyMemory<byte> text)
    {
        var settings = new XmlReaderSettings { DtdProcessing = DtdProcessing.Prohibit, XmlResolver = null };
        using XmlReader reader = XmlReader.Create(new MemoryStream(text.ToArray()), settings);
        if (!reader.ReadToFollowing("cpu")) throw new FormatException("it has no cpu element");
        using XmlReader cpu = reader.ReadSubtree();
        (CpuModelDefinition? model, CpuVendor vendor, FeatureSet added, FeatureSet removed) = (null, CpuVendor.Other, FeatureSet.Empty, FeatureSet.Empty);
        while (cpu.Read())
        {
            if (cpu.NodeType != XmlNodeType.Element) continue;
            if (cpu.Name == "feature")
            {
                // Features that we have no name for are none that two hosts could have in common here.
                if (FeatureNames.Find(cpu.GetAttribute("name") ?? "") is not CpuFeature feature) continue;
                if (cpu.GetAttribute("policy") is "disable" or "forbid") removed = removed.Union(FeatureSet.Of(feature));
                else added = added.Union(FeatureSet.Of(feature));
            }
            else if (cpu.Name == "model")
            {
                string name = cpu.ReadString();
                model = CpuModelCatalog.Find(name) ?? throw new FormatException($"it has the model '{name}', which is not known");
            }
            else if (cpu.Name == "vendor") vendor = CpuVendors.Parse(cpu.ReadString());
        }
        if (model is null) throw new FormatException("its cpu element has no model");
        CpuIdentity identity = vendor == CpuVendor.Other ? model.Identity : model.Identity with { Vendor = vendor };
        return new CpuDescription(model.Name, identity, model.Features.Union(added).Except(removed).Except(ModelRules.NeverGiven), FeatureSet.Empty);
    }
}
