using System;
using System.Collections.Generic;
using Hutch.Model.Machine;

namespace Hutch.Cpu.Cpuid;

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

    /// <summary>The features of a model on a host. Throws <see cref="CpuModelException"/>.</summary>
    public static FeatureSet Create(CpuModel model, HostCpuid host, bool isAmd)
    {
        CpuModelCatalog.CheckNames(model);
        var set = new FeatureSet();
        int level = model.Name switch { "x86-64-v1" => 1, "x86-64-v2" => 2, "x86-64-v3" => 3, _ => FeatureTable.MaxOnly };
        set.AddModel(FeatureTable.Bits, 0, level, host, isAmd);
        set.AddModel(FeatureTable.XsaveBits, 1, level, host, isAmd);
        // The host's kernel has not enabled XSAVE: no AVX state could be loaded.
        if ((host(1, 0).Ecx & 1 << 27) == 0) set._has[(int)CpuFeature.Xsave] = false;
        foreach (string name in model.Added) set.Add(name, host, isAmd);
        foreach (string name in model.Removed) set.Remove(name);
        foreach ((CpuFeature basis, CpuFeature[] dependents) in Dependencies)
            if (!set[basis])
                foreach (CpuFeature dependent in dependents) set._has[(int)dependent] = false;
        return set;
    }

    private void AddModel(IEnumerable<FeatureBit> bits, uint subleaf, int level, HostCpuid host, bool isAmd)
    {
        foreach (FeatureBit bit in bits)
            if (bit.Level <= level && IsAvailable(bit, subleaf, host, isAmd)) _has[(int)bit.Feature] = true;
    }

    private void Add(string name, HostCpuid host, bool isAmd)
    {
        (FeatureBit bit, uint subleaf) = Find(name);
        if (!IsAvailable(bit, subleaf, host, isAmd))
            throw new CpuModelException($"CPU feature '{name}' cannot be given to the guest, because the host CPU does not have it: leave out +{name}.");
        _has[(int)bit.Feature] = true;
    }

    private void Remove(string name) => _has[(int)Find(name).Bit.Feature] = false;

    private static (FeatureBit Bit, uint Subleaf) Find(string name)
    {
        foreach (FeatureBit bit in FeatureTable.Bits)
            if (bit.Name == name) return (bit, 0);
        foreach (FeatureBit bit in FeatureTable.XsaveBits)
            if (bit.Name == name) return (bit, 1);
        throw new InvalidOperationException($"CPU feature '{name}' is in the catalog but not in the table.");
    }

    private static bool IsAvailable(FeatureBit bit, uint subleaf, HostCpuid host, bool isAmd) => bit.Source switch
    {
        FeatureSource.Engine => true,
        FeatureSource.EngineAmd => isAmd,
        FeatureSource.EngineIntel => !isAmd,
        FeatureSource.HostAmd => isAmd && HostHas(bit, subleaf, host),
        _ => HostHas(bit, subleaf, host),
    };

    private static bool HostHas(FeatureBit bit, uint subleaf, HostCpuid host)
    {
        uint highest = host(bit.Leaf & 0x8000_0000, 0).Eax;
        return bit.Leaf <= highest && (host(bit.Leaf, subleaf)[bit.Register] >> bit.Bit & 1) != 0;
    }
}
