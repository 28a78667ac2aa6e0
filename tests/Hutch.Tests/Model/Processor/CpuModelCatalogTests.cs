using System;
using System.Collections.Generic;
using System.Linq;
using Hutch.Model.Processor;
using Xunit;

namespace Hutch.Tests.Model.Processor;

/// <summary>The built-in tables of features and models.</summary>
public sealed class CpuModelCatalogTests
{
    public static TheoryData<string> Models => [.. CpuModelCatalog.Models.Select(model => model.Name)];

    [Theory]
    [InlineData("486", CpuVendor.Intel, 0x480u)]
    [InlineData("pentium3", CpuVendor.Intel, 0x673u)]
    [InlineData("Haswell", CpuVendor.Intel, 0x306c4u)]
    [InlineData("Haswell-noTSX-IBRS", CpuVendor.Intel, 0x306c1u)]
    [InlineData("Opteron_G5", CpuVendor.Amd, 0x600f20u)]
    [InlineData("EPYC-Milan-v2", CpuVendor.Amd, 0xa00f11u)]
    [InlineData("EPYC-Turin", CpuVendor.Amd, 0xb00f00u)]
    [InlineData("Dhyana", CpuVendor.Hygon, 0x900f01u)]
    [InlineData("SapphireRapids", CpuVendor.Intel, 0x806f4u)]
    public void A_model_has_its_vendor_and_signature(string name, CpuVendor vendor, uint signature)
    {
        CpuIdentity identity = CpuModelCatalog.Find(name)!.Identity;
        Assert.Equal((vendor, signature), (identity.Vendor, identity.Signature));
        Assert.Equal((identity.Family, identity.Model, identity.Stepping), CpuIdentity.Decode(signature));
    }

    [Theory]
    [MemberData(nameof(Models))]
    public void A_definition_has_what_its_features_need(string name)
    {
        CpuModelDefinition model = CpuModelCatalog.Find(name)!;
        Assert.Equal(model.Features.ToString(), ModelRules.Close(model.Features).ToString());
        Assert.True(model.Identity.ModelId.Length <= 48);
        Assert.True(model.Features[CpuFeature.Fpu]);
        Assert.True(model.Caches.All(cache => cache.Sets * cache.Ways * CpuCache.LineBytes == cache.Bytes));
        Assert.True(model.Caches.Length is 0 or 4);
    }

    [Fact]
    public void Versions_inherit_and_differ()
    {
        CpuModelDefinition first = CpuModelCatalog.Find("EPYC")!, second = CpuModelCatalog.Find("EPYC-IBPB")!, third = CpuModelCatalog.Find("epyc-V3")!;
        Assert.Equal("EPYC-v1", first.Name);
        Assert.Equal("EPYC-v2", second.Name);
        Assert.Equal("ibpb", second.Features.Except(first.Features).ToString());
        Assert.Equal("AMD EPYC Processor (with IBPB)", second.Identity.ModelId);
        Assert.Equal("xsaves perfctr-core clzero xsaveerptr", third.Features.Except(second.Features).ToString());
        Assert.Equal("hle rtm", CpuModelCatalog.Find("Haswell")!.Features.Except(CpuModelCatalog.Find("Haswell-noTSX")!.Features).ToString());
    }

    [Fact]
    public void Names_are_unique_and_features_found_by_every_spelling()
    {
        IEnumerable<string> names = CpuModelCatalog.Models.SelectMany(model => model.Aliases.Prepend(model.Name));
        Assert.Empty(names.GroupBy(name => name, StringComparer.OrdinalIgnoreCase).Where(group => group.Count() > 1).Select(group => group.Key));
        foreach (CpuFeature feature in FeatureNames.All)
        {
            Assert.Equal(feature, FeatureNames.Find(FeatureNames.NameOf(feature)));
            if (FeatureNames.FlagOf(feature) is string flag) Assert.Equal(feature, FeatureNames.Find(flag));
        }
        foreach (string name in new[] { "sse4.1", "sse4_1", "sse4-1" }) Assert.Equal(CpuFeature.Sse4_1, FeatureNames.Find(name));
        // The numbers that the program uses are those of the file.
        foreach (CpuFeature feature in Enum.GetValues<CpuFeature>()) Assert.Contains(feature, FeatureNames.All);
        Assert.Equal(CpuFeature.KvmClock, FeatureNames.Find("kvmclock"));
        Assert.Equal(CpuFeature.TsaL1No, FeatureNames.Find("tsa-l1-no"));
        Assert.Equal(CpuFeature.Xsaves, FeatureNames.Find("xsaves"));
    }

    [Fact]
    public void A_mistyped_name_leads_to_the_nearest()
    {
        Assert.Equal("EPYC-Milan", CpuModelCatalog.Nearest("epic-milan"));
        Assert.Equal("avx512vbmi2", FeatureNames.Nearest("avx512_vbni2"));
    }

    [Fact]
    public void Levels_of_the_psabi_contain_each_other()
    {
        FeatureSet before = FeatureSet.Empty;
        foreach (string name in new[] { "x86-64-v1", "x86-64-v2", "x86-64-v3", "x86-64-v4" })
        {
            CpuModelDefinition level = CpuModelCatalog.Find(name)!;
            Assert.True(level.IsLevel);
            Assert.True(before.Except(level.Features).IsEmpty);
            before = level.Features;
        }
    }
}
