using System.Collections.Immutable;

namespace Hutch.Model.Processor;

/// <summary>A CPU as one machine's guests see it: a model with its changes on an engine.</summary>
/// <param name="Name">The model's name as it was asked for.</param>
/// <param name="Identity">Vendor, signature and brand.</param>
/// <param name="Features">All features.</param>
/// <param name="Definition">The named model as it is on this host; null: <c>max</c> or <c>host</c>.</param>
public sealed record ResolvedCpu(string Name, CpuIdentity Identity, FeatureSet Features, CpuModelDefinition? Definition)
{
    /// <summary>Vendor, family, caches and brand are the host's.</summary>
    public bool IsOfHost => Definition is null;

    /// <summary>The model's caches; empty where they are the host's or not described.</summary>
    public ImmutableArray<CpuCache> Caches => Definition?.Caches ?? [];

    /// <summary>Highest basic leaf: the model's, or that of its features where it is higher.</summary>
    public uint Level => HighestLeaf(Definition?.Level ?? 0, 0);

    /// <summary>Highest extended leaf; 0: there are none.</summary>
    public uint ExtendedLevel => HighestLeaf(Definition?.ExtendedLevel ?? 0, 0x8000);

    private uint HighestLeaf(uint highest, uint range)
    {
        for (int i = 0; i < FeatureWords.All.Length; i++)
        {
            FeatureWord word = FeatureWords.All[i];
            if (!word.IsMsr && word.Leaf >> 16 == range && word.Leaf > highest && Features.Word(i) != 0) highest = word.Leaf;
        }
        // The save area's size is in leaf 0xd whether or not it has features.
        return range == 0 && highest < 0xd && Features[CpuFeature.Xsave] ? 0xd : highest;
    }
}
