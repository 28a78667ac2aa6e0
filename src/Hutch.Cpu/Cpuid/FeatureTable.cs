using System.Collections.Immutable;

namespace Hutch.Cpu.Cpuid;

/// <summary>Where a feature comes from.</summary>
internal enum FeatureSource : byte
{
    /// <summary>Only if the host has it: guest instructions run on the host CPU.</summary>
    Host,

    /// <summary>The engine does it in software on any host.</summary>
    Engine,

    /// <summary>As <see cref="Host"/>, on AMD (and Hygon) CPUs only.</summary>
    HostAmd,

    /// <summary>As <see cref="Engine"/>, on AMD (and Hygon) CPUs only.</summary>
    EngineAmd,

    /// <summary>As <see cref="Engine"/>, on Intel CPUs only.</summary>
    EngineIntel,
}

/// <summary>One feature bit.</summary>
/// <param name="Feature">The feature.</param>
/// <param name="Name">The name that users give; empty: cannot be named.</param>
/// <param name="Leaf">CPUID leaf.</param>
/// <param name="Register">Its register.</param>
/// <param name="Bit">Its bit.</param>
/// <param name="Source">Who gives it.</param>
/// <param name="Level">In the models x86-64-v1 to v3 from this number on; 0: in every model.</param>
internal readonly record struct FeatureBit(
    CpuFeature Feature, string Name, uint Leaf, CpuidRegister Register, byte Bit, FeatureSource Source, byte Level);

/// <summary>
/// Every feature that a guest can be offered. What is not here is never offered: AVX-512, AMX, TSX, CET, PKU, MPX, SVM, VMX, MONITOR, LA57, XSAVES,
/// VME, SSE4A, 3DNow, XOP, FMA4, TBM.
/// </summary>
internal static class FeatureTable
{
    private const CpuidRegister A = CpuidRegister.Eax, B = CpuidRegister.Ebx, C = CpuidRegister.Ecx, D = CpuidRegister.Edx;
    private const FeatureSource Host = FeatureSource.Host, Engine = FeatureSource.Engine;

    /// <summary>A feature that the level models leave out and max has.</summary>
    public const byte MaxOnly = 9;

    /// <summary>The table.</summary>
    public static ImmutableArray<FeatureBit> Bits { get; } =
    [
        new(CpuFeature.Fpu, "", 1, D, 0, Host, 0), new(CpuFeature.De, "de", 1, D, 2, Engine, 0), new(CpuFeature.Pse, "pse", 1, D, 3, Engine, 0),
        new(CpuFeature.Tsc, "tsc", 1, D, 4, Host, 0), new(CpuFeature.Msr, "msr", 1, D, 5, Engine, 0), new(CpuFeature.Pae, "pae", 1, D, 6, Engine, 0),
        new(CpuFeature.Mce, "mce", 1, D, 7, Engine, 0), new(CpuFeature.Cx8, "cx8", 1, D, 8, Host, 0), new(CpuFeature.Apic, "apic", 1, D, 9, Engine, 0),
        new(CpuFeature.Sep, "sep", 1, D, 11, Engine, 0), new(CpuFeature.Mtrr, "mtrr", 1, D, 12, Engine, 0), new(CpuFeature.Pge, "pge", 1, D, 13, Engine, 0),
        new(CpuFeature.Mca, "mca", 1, D, 14, Engine, 0), new(CpuFeature.Cmov, "cmov", 1, D, 15, Host, 0), new(CpuFeature.Pat, "pat", 1, D, 16, Engine, 0),
        new(CpuFeature.Clflush, "clflush", 1, D, 19, Host, 0), new(CpuFeature.Mmx, "mmx", 1, D, 23, Host, 0), new(CpuFeature.Fxsr, "fxsr", 1, D, 24, Host, 0),
        new(CpuFeature.Sse, "sse", 1, D, 25, Host, 0), new(CpuFeature.Sse2, "sse2", 1, D, 26, Host, 0),

        new(CpuFeature.Pni, "pni", 1, C, 0, Host, 2), new(CpuFeature.Pclmulqdq, "pclmulqdq", 1, C, 1, Host, MaxOnly),
        new(CpuFeature.Ssse3, "ssse3", 1, C, 9, Host, 2), new(CpuFeature.Fma, "fma", 1, C, 12, Host, 3), new(CpuFeature.Cx16, "cx16", 1, C, 13, Host, 2),
        new(CpuFeature.Pcid, "pcid", 1, C, 17, Engine, 0), new(CpuFeature.Sse4_1, "sse4_1", 1, C, 19, Host, 2),
        new(CpuFeature.Sse4_2, "sse4_2", 1, C, 20, Host, 2), new(CpuFeature.X2Apic, "x2apic", 1, C, 21, Engine, 0),
        new(CpuFeature.Movbe, "movbe", 1, C, 22, Host, 3), new(CpuFeature.Popcnt, "popcnt", 1, C, 23, Host, 2),
        new(CpuFeature.TscDeadline, "tsc_deadline_timer", 1, C, 24, Engine, 0), new(CpuFeature.Aes, "aes", 1, C, 25, Host, MaxOnly),
        new(CpuFeature.Xsave, "xsave", 1, C, 26, Host, 3), new(CpuFeature.Avx, "avx", 1, C, 28, Host, 3), new(CpuFeature.F16c, "f16c", 1, C, 29, Host, 3),
        new(CpuFeature.Rdrand, "rdrand", 1, C, 30, Host, MaxOnly), new(CpuFeature.Hypervisor, "hypervisor", 1, C, 31, Engine, 0),

        new(CpuFeature.Arat, "arat", 6, A, 2, Engine, 0),

        new(CpuFeature.FsGsBase, "fsgsbase", 7, B, 0, Host, MaxOnly), new(CpuFeature.TscAdjust, "tsc_adjust", 7, B, 1, Engine, 0),
        new(CpuFeature.Bmi1, "bmi1", 7, B, 3, Host, 3), new(CpuFeature.Avx2, "avx2", 7, B, 5, Host, 3), new(CpuFeature.FdpExceptionOnly, "", 7, B, 6, Host, 0),
        new(CpuFeature.Smep, "smep", 7, B, 7, Engine, 0), new(CpuFeature.Bmi2, "bmi2", 7, B, 8, Host, 3), new(CpuFeature.Erms, "erms", 7, B, 9, Host, 0),
        new(CpuFeature.Invpcid, "invpcid", 7, B, 10, Engine, 0), new(CpuFeature.ZeroFcsFds, "", 7, B, 13, Host, 0),
        new(CpuFeature.Rdseed, "rdseed", 7, B, 18, Host, MaxOnly), new(CpuFeature.Adx, "adx", 7, B, 19, Host, MaxOnly),
        new(CpuFeature.Smap, "smap", 7, B, 20, Engine, 0), new(CpuFeature.ClflushOpt, "clflushopt", 7, B, 23, Host, MaxOnly),
        new(CpuFeature.Clwb, "clwb", 7, B, 24, Host, MaxOnly), new(CpuFeature.ShaNi, "sha_ni", 7, B, 29, Host, MaxOnly),
        new(CpuFeature.Umip, "umip", 7, C, 2, Engine, 0), new(CpuFeature.Gfni, "gfni", 7, C, 8, Host, MaxOnly),
        new(CpuFeature.Vaes, "vaes", 7, C, 9, Host, MaxOnly), new(CpuFeature.Vpclmulqdq, "vpclmulqdq", 7, C, 10, Host, MaxOnly),
        new(CpuFeature.Rdpid, "rdpid", 7, C, 22, Host, MaxOnly), new(CpuFeature.Fsrm, "fsrm", 7, D, 4, Host, 0),
        new(CpuFeature.SpecCtrl, "spec_ctrl", 7, D, 26, FeatureSource.EngineIntel, 0),
        new(CpuFeature.ArchCapabilities, "arch_capabilities", 7, D, 29, FeatureSource.EngineIntel, 0),

        new(CpuFeature.LahfLm, "lahf_lm", 0x8000_0001, C, 0, Host, 2), new(CpuFeature.Cr8Legacy, "cr8_legacy", 0x8000_0001, C, 4, FeatureSource.HostAmd, 0),
        new(CpuFeature.Abm, "abm", 0x8000_0001, C, 5, Host, 3), new(CpuFeature.Prefetch3dnow, "3dnowprefetch", 0x8000_0001, C, 8, Host, MaxOnly),
        new(CpuFeature.TopoExt, "topoext", 0x8000_0001, C, 22, FeatureSource.HostAmd, 0),
        new(CpuFeature.Syscall, "syscall", 0x8000_0001, D, 11, Engine, 0), new(CpuFeature.Nx, "nx", 0x8000_0001, D, 20, Engine, 0),
        new(CpuFeature.MmxExt, "mmxext", 0x8000_0001, D, 22, FeatureSource.HostAmd, MaxOnly), new(CpuFeature.Pdpe1gb, "pdpe1gb", 0x8000_0001, D, 26, Engine, 0),
        new(CpuFeature.Rdtscp, "rdtscp", 0x8000_0001, D, 27, Host, 0), new(CpuFeature.Lm, "lm", 0x8000_0001, D, 29, Engine, 0),
        new(CpuFeature.ConstantTsc, "constant_tsc", 0x8000_0007, D, 8, Host, 0),
        new(CpuFeature.XsaveErPtr, "", 0x8000_0008, B, 2, FeatureSource.HostAmd, 0), new(CpuFeature.AmdSsbNo, "", 0x8000_0008, B, 26, FeatureSource.HostAmd, 0),
        new(CpuFeature.BtcNo, "", 0x8000_0008, B, 29, FeatureSource.EngineAmd, 0),
        new(CpuFeature.NoNestedDataBp, "", 0x8000_0021, A, 0, FeatureSource.HostAmd, 0),
        new(CpuFeature.LfenceSerializing, "", 0x8000_0021, A, 2, FeatureSource.HostAmd, 0),
        new(CpuFeature.NullSelClearsBase, "", 0x8000_0021, A, 6, FeatureSource.EngineAmd, 0),
        new(CpuFeature.AutoIbrs, "autoibrs", 0x8000_0021, A, 8, FeatureSource.EngineAmd, 0), new(CpuFeature.SrsoNo, "", 0x8000_0021, A, 29, FeatureSource.EngineAmd, 0),
        new(CpuFeature.TsaSqNo, "", 0x8000_0021, C, 1, FeatureSource.HostAmd, 0), new(CpuFeature.TsaL1No, "", 0x8000_0021, C, 2, FeatureSource.HostAmd, 0),

        new(CpuFeature.KvmClock, "kvmclock", CpuidTable.KvmFeatureLeaf, A, 3, Engine, 0),
    ];

    /// <summary>Bits of leaf 0xd, subleaf 1, EAX.</summary>
    public static ImmutableArray<FeatureBit> XsaveBits { get; } =
    [
        new(CpuFeature.XsaveOpt, "xsaveopt", 0xd, A, 0, Host, MaxOnly), new(CpuFeature.XsaveC, "xsavec", 0xd, A, 1, Host, MaxOnly),
        new(CpuFeature.Xgetbv1, "xgetbv1", 0xd, A, 2, Host, MaxOnly),
    ];
}
