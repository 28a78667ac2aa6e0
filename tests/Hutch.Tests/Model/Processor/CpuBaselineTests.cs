using System;
using Hutch.Model.Processor;
using Xunit;

namespace Hutch.Tests.Model.Processor;

/// <summary>The CPU that several hosts have in common.</summary>
public sealed class CpuBaselineTests
{
    private static CpuDescription Model(string name, string more = "")
    {
        CpuDescription model = CpuDescription.Of(CpuModelCatalog.Find(name)!);
        return model with { Features = model.Features.Union(FeatureNames.Parse(more)) };
    }

    [Fact]
    public void Three_hosts_have_their_intersection_and_the_model_that_has_most_of_it()
    {
        CpuDescription[] hosts = [Model("Haswell-noTSX", "clwb"), Model("Skylake-Client-noTSX-IBRS", "clwb"), Model("Icelake-Server", "ss")];
        CpuBaseline baseline = CpuBaseline.Of(hosts);
        foreach (CpuFeature feature in FeatureNames.All)
            Assert.Equal(hosts[0].Features[feature] && hosts[1].Features[feature] && hosts[2].Features[feature], baseline.Features[feature]);
        Assert.Equal("Haswell-v2", baseline.Model.Name);
        Assert.Equal("Haswell-v2,+clwb", baseline.Option);
    }

    [Fact]
    public void Hosts_of_two_vendors_have_a_level_in_common()
    {
        CpuBaseline baseline = CpuBaseline.Of([Model("EPYC"), Model("Haswell")]);
        Assert.Equal("x86-64-v3", baseline.Model.Name);
        Assert.True(baseline.Added[CpuFeature.Aes]);
        Assert.False(baseline.Added[CpuFeature.Sse4a]);
    }

    [Fact]
    public void What_a_host_gives_on_request_counts_for_the_model()
    {
        CpuDescription rome = Model("EPYC-Rome");
        FeatureSet asked = FeatureNames.Parse("xsaves clzero misalignsse");
        CpuDescription host = rome with { Features = rome.Features.Except(asked), OnRequest = asked };
        Assert.Equal("EPYC-Rome-v1", CpuBaseline.Of([host, rome]).Option);
    }

    [Fact]
    public void One_host_is_its_own_baseline() => Assert.Equal("Westmere-v2", CpuBaseline.Of([Model("Westmere-IBRS")]).Option);

    [Fact]
    public void Without_64_bit_mode_there_is_none()
    {
        FormatException none = Assert.Throws<FormatException>(() => CpuBaseline.Of([Model("pentium3"), Model("Haswell")]));
        Assert.Equal("the CPUs do not even have x86-64-v1 in common", none.Message);
    }
}
