using System;
using System.Collections.Generic;
using System.Linq;

namespace Hutch.Model.Processor;

/// <summary>The CPU that every one of several hosts can give.</summary>
/// <param name="Features">Features that all of them can give.</param>
/// <param name="Model">The named model with most of them.</param>
/// <param name="Added">Features that all have unasked and the model has not.</param>
public sealed record CpuBaseline(FeatureSet Features, CpuModelDefinition Model, FeatureSet Added)
{
    /// <summary>The value for <c>--cpu</c>.</summary>
    public string Option => Model.Name + string.Concat(Added.Features.Select(feature => $",+{FeatureNames.NameOf(feature)}"));

    /// <summary>Compares descriptions, of which there is one at least. Throws <see cref="FormatException"/> when they have not even x86-64-v1 in common.</summary>
    public static CpuBaseline Of(IReadOnlyList<CpuDescription> hosts)
    {
        FeatureSet all = hosts.Select(host => host.Possible).Aggregate((a, b) => a.Intersect(b));
        FeatureSet unasked = hosts.Select(host => host.Features).Aggregate((a, b) => a.Intersect(b));
        CpuVendor vendor = hosts.All(host => host.Identity.Vendor == hosts[0].Identity.Vendor) ? hosts[0].Identity.Vendor : CpuVendor.Other;
        CpuModelDefinition? best = null;
        foreach (CpuModelDefinition model in CpuModelCatalog.Models)
        {
            // A vendor's model only where all are of that vendor; a level of the psABI says the same on every host.
            if (!model.IsLevel && model.Identity.Vendor != vendor || !model.Features[CpuFeature.Lm]) continue;
            if (!model.Features.Except(ModelRules.NeverGiven).Except(all).IsEmpty) continue;
            if (best is null || Value(model) >= Value(best)) best = model;
        }
        if (best is null) throw new FormatException("the CPUs do not even have x86-64-v1 in common");
        // Only what is told by CPUID and is the CPU's own; the rest follows from the model and the engine.
        FeatureSet added = unasked.Except(best.Features).Except(ModelRules.AlwaysGiven).Except(NotOfTheCpu);
        return new CpuBaseline(all, best, added);
    }

    private static FeatureSet NotOfTheCpu { get; } = FeatureSet.FromWords(word => word.IsMsr || word.Leaf == FeatureWords.KvmLeaf ? uint.MaxValue : 0);

    private static int Value(CpuModelDefinition model) => model.Features.Except(ModelRules.NeverGiven).Count;
}
