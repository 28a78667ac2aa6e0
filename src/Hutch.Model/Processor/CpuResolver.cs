using System;
using System.Collections.Generic;
using System.Linq;
using Hutch.Model.Machine;

namespace Hutch.Model.Processor;

/// <summary>Finds what a guest gets for <c>MODEL[,+flag][,-flag]</c> on an engine.</summary>
public static class CpuResolver
{
    /// <summary>The CPU of a machine. Throws <see cref="CpuModelException"/> for a name that does not exist or a feature that cannot be given.</summary>
    public static ResolvedCpu Resolve(CpuModel request, CpuOffer offer)
    {
        CpuModelDefinition? definition = Find(request.Name)?.For(offer.Identity.Vendor);
        FeatureSet added = Named(request.Added), removed = Named(request.Removed);
        FeatureSet features = ModelRules.Close(Wanted(definition, offer).Union(added).Except(removed));
        foreach (CpuFeature feature in added.Except(removed).Except(features).Features)
            throw new CpuModelException($"CPU feature '{FeatureNames.NameOf(feature)}' needs {NameOfBase(features, feature)}, which the CPU model {Text(request)} does not have: add it too.");
        FeatureSet missing = Missing(features, offer);
        if (!missing.IsEmpty) throw new CpuModelException(Refusal(request, missing, added, offer));
        return new ResolvedCpu(request.Name, definition?.Identity ?? offer.Identity, features, definition);
    }

    /// <summary>What a model needs and the engine cannot give; empty: the model can be used as it is.</summary>
    public static FeatureSet Blockers(CpuModelDefinition definition, CpuOffer offer) => Missing(ModelRules.Close(Wanted(definition, offer)), offer);

    /// <summary>The model of a name; null: <c>max</c> or <c>host</c>. Throws <see cref="CpuModelException"/>.</summary>
    public static CpuModelDefinition? Find(string name)
    {
        if (name is CpuModelCatalog.Max or CpuModelCatalog.Host) return null;
        return CpuModelCatalog.Find(name)
            ?? throw new CpuModelException($"CPU model '{name}' is not known; '{CpuModelCatalog.Nearest(name)}' is like it, and 'hutch cpu list' shows all.");
    }

    private static FeatureSet Wanted(CpuModelDefinition? definition, CpuOffer offer)
    {
        if (definition is null) return offer.Unasked.Except(ModelRules.NeverGiven);
        return definition.Features.Except(ModelRules.NeverGiven).Union(ModelRules.AlwaysGiven);
    }

    private static FeatureSet Missing(FeatureSet features, CpuOffer offer) => features.Except(offer.Features.Except(ModelRules.NeverGiven));

    private static FeatureSet Named(IEnumerable<string> names)
    {
        FeatureSet features = FeatureSet.Empty;
        foreach (string name in names)
        {
            CpuFeature feature = FeatureNames.Find(name)
                ?? throw new CpuModelException($"CPU feature '{name}' is not known; '{FeatureNames.Nearest(name)}' is like it, and 'hutch cpu describe host' shows what there is.");
            features = features.Union(FeatureSet.Of(feature));
        }
        return features;
    }

    private static string NameOfBase(FeatureSet features, CpuFeature feature) =>
        ModelRules.MissingBase(features, feature) is CpuFeature basis ? FeatureNames.NameOf(basis) : "more";

    private static string Refusal(CpuModel request, FeatureSet missing, FeatureSet added, CpuOffer offer)
    {
        string names = string.Join(", ", missing.Features.Select(FeatureNames.NameOf));
        string which = missing.Count == 1 ? names : $"the features {names}";
        string reason = $"which the {offer.Engine} engine cannot give on this host";
        if (missing.Except(added).IsEmpty) return $"CPU feature {which.Replace("the features ", "", StringComparison.Ordinal)} was asked for, {reason}: leave out +{names.Replace(", ", ",+", StringComparison.Ordinal)}.";
        string without = string.Concat(missing.Features.Select(feature => $",-{FeatureNames.NameOf(feature)}"));
        return $"CPU model '{request.Name}' needs {which}, {reason}: use --cpu {Text(request)}{without}, or a model that 'hutch cpu list' shows as usable.";
    }

    private static string Text(CpuModel request) =>
        request.Name + string.Concat(request.Added.Select(name => $",+{name}")) + string.Concat(request.Removed.Select(name => $",-{name}"));
}
