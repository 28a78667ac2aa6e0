using System.IO;
using System.Text.Json;
using Hutch.Model.Machine;
using Hutch.Model.Processor;
using Xunit;

namespace Hutch.Tests.Model.Processor;

/// <summary>What a guest gets for a model on an engine.</summary>
public sealed class CpuResolverTests
{
    private static readonly CpuIdentity Identity = new(CpuVendor.Amd, 25, 17, 1, "Some CPU");

    private static CpuOffer Offer(string features, string onRequest = "")
    {
        FeatureSet all = FeatureNames.Parse(features);
        return new CpuOffer("software", Identity, all, all.Except(FeatureNames.Parse(onRequest)));
    }

    private static CpuOffer Everything => new("software", Identity, FeatureSet.FromWords(_ => uint.MaxValue), FeatureSet.FromWords(_ => uint.MaxValue));

    private static CpuModel Model(string name, string add = "", string remove = "") =>
        new(name, [.. add.Split(' ', System.StringSplitOptions.RemoveEmptyEntries)], [.. remove.Split(' ', System.StringSplitOptions.RemoveEmptyEntries)]);

    [Fact]
    public void Every_model_is_given_by_an_engine_that_gives_everything()
    {
        foreach (CpuModelDefinition definition in CpuModelCatalog.Models)
        {
            Assert.True(CpuResolver.Blockers(definition, Everything).IsEmpty);
            ResolvedCpu cpu = CpuResolver.Resolve(Model(definition.Name), Everything);
            Assert.True(cpu.Features.Intersect(ModelRules.NeverGiven).IsEmpty);
            Assert.True(definition.Features.Except(ModelRules.NeverGiven).Except(cpu.Features).IsEmpty);
            Assert.Equal(definition.For(Identity.Vendor).Identity, cpu.Identity);
            Assert.True(cpu.Level >= definition.Level);
        }
    }

    [Fact]
    public void Max_is_what_the_engine_gives_unasked()
    {
        CpuOffer offer = Offer("fpu tsc apic msr monitor spec-ctrl", onRequest: "spec-ctrl");
        Assert.Equal("fpu tsc msr apic", CpuResolver.Resolve(Model("max"), offer).Features.ToString());
        Assert.Equal("fpu tsc msr apic spec-ctrl", CpuResolver.Resolve(Model("host", "spec-ctrl"), offer).Features.ToString());
    }

    [Fact]
    public void A_named_model_is_the_same_on_every_engine_that_can_give_it()
    {
        foreach (CpuModelDefinition definition in CpuModelCatalog.Models)
        {
            FeatureSet needed = definition.Features.Except(ModelRules.NeverGiven).Union(ModelRules.AlwaysGiven);
            var barely = new CpuOffer("kvm", Identity, needed, FeatureSet.Empty);
            FeatureSet features = CpuResolver.Resolve(Model(definition.Name), barely).Features;
            Assert.Equal(features, CpuResolver.Resolve(Model(definition.Name), Everything).Features);
            Assert.Equal(features, ModelRules.Close(needed));
        }
    }

    [Theory]
    [InlineData(CpuVendor.Amd, CpuVendor.Amd, 0x60fb1u)]
    [InlineData(CpuVendor.Hygon, CpuVendor.Hygon, 0x60fb1u)]
    [InlineData(CpuVendor.Intel, CpuVendor.Intel, 0xf61u)]
    [InlineData(CpuVendor.Other, CpuVendor.Intel, 0xf61u)]
    public void A_level_has_the_hosts_vendor_and_nothing_else_of_the_host(CpuVendor host, CpuVendor vendor, uint signature)
    {
        CpuOffer offer = Everything with { Identity = new CpuIdentity(host, 26, 68, 0, "Some CPU") };
        ResolvedCpu cpu = CpuResolver.Resolve(Model("x86-64-v2"), offer);
        Assert.Equal((vendor, signature, "CPU of level x86-64-v2"), (cpu.Identity.Vendor, cpu.Identity.Signature, cpu.Identity.ModelId));
        Assert.False(cpu.IsOfHost);
        Assert.Equal(4, cpu.Caches.Length);
    }

    [Fact]
    public void Removing_a_feature_removes_those_that_need_it()
    {
        FeatureSet features = CpuResolver.Resolve(Model("Haswell", remove: "xsave"), Everything).Features;
        Assert.True((features.Intersect(FeatureNames.Parse("xsave avx avx2 fma f16c xsaveopt"))).IsEmpty);
        Assert.True(features[CpuFeature.Aes]);
    }

    [Fact]
    public void Timers_and_clocks_come_with_every_model_that_can_have_them()
    {
        Assert.Equal("fpu vme pse hypervisor", CpuResolver.Resolve(Model("486"), Everything).Features.Intersect(FeatureNames.Parse("fpu vme pse hypervisor x2apic arat kvmclock")).ToString());
        Assert.Equal("x2apic tsc-deadline hypervisor arat kvmclock", CpuResolver.Resolve(Model("Conroe"), Everything).Features
            .Intersect(FeatureNames.Parse("x2apic tsc-deadline hypervisor arat kvmclock")).ToString());
    }

    [Theory]
    [InlineData("Haswel", "", "", "CPU model 'Haswel' is not known; 'Haswell' is like it, and 'hutch cpu list' shows all.")]
    [InlineData("max", "avx3", "", "CPU feature 'avx3' is not known; 'avx' is like it, and 'hutch cpu describe host' shows what there is.")]
    [InlineData("max", "", "smeb", "CPU feature 'smeb' is not known; 'smep' is like it, and 'hutch cpu describe host' shows what there is.")]
    [InlineData("486", "", "vme", "CPU model '486' needs pse, which the software engine cannot give on this host: use --cpu 486,-vme,-pse, or a model that 'hutch cpu list' shows as usable.")]
    [InlineData("pentium", "", "", "CPU model 'pentium' needs the features vme, de, pse, mce, cx8, mmx, which the software engine cannot give on this host: "
        + "use --cpu pentium,-vme,-de,-pse,-mce,-cx8,-mmx, or a model that 'hutch cpu list' shows as usable.")]
    [InlineData("max", "vmx", "", "CPU feature vmx was asked for, which the software engine cannot give on this host: leave out +vmx.")]
    [InlineData("max", "avx2", "", "CPU feature 'avx2' needs avx, which the CPU model max,+avx2 does not have: add it too.")]
    public void What_cannot_be_given_is_refused_in_one_sentence(string model, string add, string remove, string expected)
    {
        CpuModelException refused = Assert.Throws<CpuModelException>(() => CpuResolver.Resolve(Model(model, add, remove), Offer($"fpu tsc apic msr {ModelRules.AlwaysGiven}")));
        Assert.Equal(expected, refused.Message);
    }

    [Fact]
    public void An_offer_survives_json()
    {
        CpuOffer offer = Offer("fpu tsc apic sse4.1 its-no", onRequest: "tsc");
        using var stream = new MemoryStream();
        using (var json = new Utf8JsonWriter(stream)) offer.Write(json);
        using JsonDocument read = JsonDocument.Parse(stream.ToArray());
        Assert.Equal(offer, CpuOffer.Read(read.RootElement));
        using JsonDocument broken = JsonDocument.Parse("""{"engine": "software"}""");
        Assert.Throws<System.FormatException>(() => CpuOffer.Read(broken.RootElement));
    }
}
