using System;
using Hutch.Model.Machine;

namespace Hutch.Core.Cpuid;

/// <summary>The features of one machine's vCPUs.</summary>
internal sealed class FeatureSet
{
    // A feature and those that make no sense without it.
    private static readonly (CpuFeature Base, CpuFeature[] Dependents)[] Dependencies =
    [
        (CpuFeature.Apic, [CpuFeature.X2Apic, CpuFeature.TscDeadline]),
        (CpuFeature.Tsc, [CpuFeature.TscDeadline, CpuFeature.TscAdjust, CpuFeature.Rdtscp, CpuFeature.ConstantTsc, CpuFeature.KvmClock]),
        (CpuFeature.Hypervisor, [CpuFeature.KvmClock]),
        (CpuFeature.Xsave, [CpuFeature.Avx, CpuFeature.XsaveOpt, CpuFeature.XsaveC, CpuFeature.Xgetbv1]),
        (CpuFeature.Avx, [CpuFeature.Avx2, CpuFeature.Fma, CpuFeature.F16c, CpuFeature.Vaes, CpuFeature.Vpclmulqdq]),
        (CpuFeature.Aes, [CpuFeature.Vaes]),
        (CpuFeature.Pclmulqdq, [CpuFeature.Vpclmulqdq]),
        (CpuFeature.Pcid, [CpuFeature.Invpcid]),
    ];

    private readonly bool[] _has = new bool[256];

    private FeatureSet() { }

    /// <summary>Whether guests are offered a feature.</summary>
    public bool this[CpuFeature feature] => _has[(int)feature];

    /// <summary>The features of a model with an engine. Throws <see cref="CpuModelException"/>.</summary>
    public static FeatureSet Create(CpuModel model, HostCpuid supported)
    {
        CpuModelCatalog.CheckNames(model);
        var set = new FeatureSet();
        int level = model.Name switch { "x86-64-v1" => 1, "x86-64-v2" => 2, "x86-64-v3" => 3, _ => FeatureTable.MaxOnly };
        foreach (FeatureBit bit in FeatureTable.Bits)
            if (bit.Level <= level && IsAvailable(bit, supported)) set._has[(int)bit.Feature] = true;
        foreach (string name in model.Added) set.Add(name, supported);
        foreach (string name in model.Removed) set._has[(int)Find(name).Feature] = false;
        foreach ((CpuFeature basis, CpuFeature[] dependents) in Dependencies)
            if (!set[basis])
                foreach (CpuFeature dependent in dependents) set._has[(int)dependent] = false;
        return set;
    }

    private void Add(string name, HostCpuid supported)
    {
        FeatureBit bit = Find(name);
        if (!IsAvailable(bit, supported))
            throw new CpuModelException($"CPU feature '{name}' cannot be given to the guest, because the host CPU does not have it: leave out +{name}.");
        _has[(int)bit.Feature] = true;
    }

    private static FeatureBit Find(string name)
    {
        foreach (FeatureBit bit in FeatureTable.Bits)
            if (bit.Name == name) return bit;
        throw new InvalidOperationException($"CPU feature '{name}' is in the catalog but not in the table.");
    }

    private static bool IsAvailable(FeatureBit bit, HostCpuid supported) => (supported(bit.Leaf, bit.Subleaf)[bit.Register] >> bit.Bit & 1) != 0;
}
