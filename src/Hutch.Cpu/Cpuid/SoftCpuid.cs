using System.Collections.Generic;
using Hutch.Core.Cpuid;
using Hutch.Cpu.Apic;
using Hutch.Host.Processor;

namespace Hutch.Cpu.Cpuid;

/// <summary>
/// What the software engine gives: what the host CPU has, as far as the instruction tables know it, and what the engine does by itself. What is not named here is
/// never offered: AVX-512, AMX, TSX, CET, PKU, MPX, SVM, VMX, MONITOR, LA57, XSAVES, VME, SSE4A, 3DNow, XOP, FMA4, TBM.
/// </summary>
internal static class SoftCpuid
{
    // KVM_FEATURE_CLOCKSOURCE, NOP_IO_DELAY, CLOCKSOURCE2, CLOCKSOURCE_STABLE_BIT.
    private const uint Paravirtual = 1 | 1 << 1 | 1 << 3, StableClock = 1 << 24, OsXsave = 1 << 27, InvariantTsc = 1 << 8;

    // Guest instructions run on the host CPU, which must have these.
    private static readonly CpuFeature[] OfHost =
    [
        CpuFeature.Fpu, CpuFeature.Tsc, CpuFeature.Cx8, CpuFeature.Cmov, CpuFeature.Clflush, CpuFeature.Mmx, CpuFeature.Fxsr, CpuFeature.Sse, CpuFeature.Sse2,
        CpuFeature.Pni, CpuFeature.Pclmulqdq, CpuFeature.Ssse3, CpuFeature.Fma, CpuFeature.Cx16, CpuFeature.Sse4_1, CpuFeature.Sse4_2, CpuFeature.Movbe,
        CpuFeature.Popcnt, CpuFeature.Aes, CpuFeature.Xsave, CpuFeature.Avx, CpuFeature.F16c, CpuFeature.Rdrand, CpuFeature.FsGsBase, CpuFeature.Bmi1,
        CpuFeature.Avx2, CpuFeature.FdpExceptionOnly, CpuFeature.Bmi2, CpuFeature.Erms, CpuFeature.ZeroFcsFds, CpuFeature.Rdseed, CpuFeature.Adx,
        CpuFeature.ClflushOpt, CpuFeature.Clwb, CpuFeature.ShaNi, CpuFeature.Gfni, CpuFeature.Vaes, CpuFeature.Vpclmulqdq, CpuFeature.Rdpid, CpuFeature.Fsrm,
        CpuFeature.LahfLm, CpuFeature.Abm, CpuFeature.Prefetch3dnow, CpuFeature.Rdtscp, CpuFeature.ConstantTsc, CpuFeature.XsaveOpt, CpuFeature.XsaveC,
        CpuFeature.Xgetbv1,
    ];

    private static readonly CpuFeature[] OfAmdHost =
    [
        CpuFeature.Cr8Legacy, CpuFeature.TopoExt, CpuFeature.MmxExt, CpuFeature.XsaveErPtr, CpuFeature.AmdSsbNo, CpuFeature.NoNestedDataBp,
        CpuFeature.LfenceSerializing, CpuFeature.TsaSqNo, CpuFeature.TsaL1No,
    ];

    // The engine does these on any host.
    private static readonly CpuFeature[] OfEngine =
    [
        CpuFeature.De, CpuFeature.Pse, CpuFeature.Msr, CpuFeature.Pae, CpuFeature.Mce, CpuFeature.Apic, CpuFeature.Sep, CpuFeature.Mtrr, CpuFeature.Pge,
        CpuFeature.Mca, CpuFeature.Pat, CpuFeature.Pcid, CpuFeature.X2Apic, CpuFeature.TscDeadline, CpuFeature.Hypervisor, CpuFeature.Arat, CpuFeature.TscAdjust,
        CpuFeature.Smep, CpuFeature.Invpcid, CpuFeature.Smap, CpuFeature.Umip, CpuFeature.Syscall, CpuFeature.Nx, CpuFeature.Pdpe1gb, CpuFeature.Lm,
        CpuFeature.KvmClock,
    ];

    private static readonly CpuFeature[] OfEngineForAmd = [CpuFeature.BtcNo, CpuFeature.NullSelClearsBase, CpuFeature.AutoIbrs, CpuFeature.SrsoNo];

    private static readonly CpuFeature[] OfEngineForIntel = [CpuFeature.SpecCtrl, CpuFeature.ArchCapabilities];

    /// <summary>The engine on a host.</summary>
    /// <param name="host">CPUID of the host; null: the real one.</param>
    public static EngineCpuid Create(HostCpuid? host = null)
    {
        HostCpuid query = new CpuidCache(host ?? CpuidRegisters.OfHost).Query;
        bool isAmd = CpuidTable.HasAmdLeaves(query);
        Dictionary<(uint Leaf, uint Subleaf), CpuidRegisters> features = [];
        foreach (CpuFeature feature in OfHost) AddHost(features, feature, query);
        foreach (CpuFeature feature in OfEngine) Add(features, FeatureTable.Find(feature));
        if (isAmd) foreach (CpuFeature feature in OfAmdHost) AddHost(features, feature, query);
        foreach (CpuFeature feature in isAmd ? OfEngineForAmd : OfEngineForIntel) Add(features, FeatureTable.Find(feature));
        // The host's kernel has not enabled XSAVE: no AVX state could be loaded.
        if ((query(1, 0).Ecx & OsXsave) == 0) features[(1, 0)] = features[(1, 0)] with { Ecx = features[(1, 0)].Ecx & ~(OsXsave >> 1) };
        features[(CpuidTable.KvmFeatureLeaf, 0)] = new CpuidRegisters(Paravirtual | ((query(0x8000_0007, 0).Edx & InvariantTsc) != 0 ? StableClock : 0), 0, 0, 0);
        ulong capabilities = isAmd ? 0 : Mitigations.ArchCapabilities(ProcessorVulnerabilities.IsNotAffected);
        return new EngineCpuid((leaf, subleaf) => Query(features, query, leaf, subleaf), ApicTimer.BusKhz, capabilities);
    }

    private static CpuidRegisters Query(Dictionary<(uint Leaf, uint Subleaf), CpuidRegisters> features, HostCpuid host, uint leaf, uint subleaf)
    {
        if (!features.TryGetValue((leaf, subleaf), out CpuidRegisters served)) return host(leaf, subleaf);
        // Signature and sizes share leaves with features.
        return leaf switch
        {
            1 => served with { Eax = host(1, 0).Eax },
            0x8000_0008 => served with { Eax = host(leaf, 0).Eax },
            _ => served,
        };
    }

    private static void AddHost(Dictionary<(uint Leaf, uint Subleaf), CpuidRegisters> features, CpuFeature feature, HostCpuid host)
    {
        FeatureBit bit = FeatureTable.Find(feature);
        if (bit.Leaf <= host(bit.Leaf & 0x8000_0000, 0).Eax && (host(bit.Leaf, bit.Subleaf)[bit.Register] >> bit.Bit & 1) != 0) Add(features, bit);
    }

    private static void Add(Dictionary<(uint Leaf, uint Subleaf), CpuidRegisters> features, FeatureBit bit) =>
        features[(bit.Leaf, bit.Subleaf)] = features.GetValueOrDefault((bit.Leaf, bit.Subleaf)).With(bit.Register, bit.Bit);
}
