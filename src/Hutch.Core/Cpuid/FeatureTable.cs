using System;
using System.Collections.Immutable;

namespace Hutch.Core.Cpuid;

/// <summary>One feature bit.</summary>
/// <param name="Feature">The feature.</param>
/// <param name="Name">The name that users give; empty: cannot be named.</param>
/// <param name="Leaf">CPUID leaf.</param>
/// <param name="Register">Its register.</param>
/// <param name="Bit">Its bit.</param>
/// <param name="Level">In the models x86-64-v1 to v3 from this number on; 0: in every model.</param>
internal readonly record struct FeatureBit(CpuFeature Feature, string Name, uint Leaf, CpuidRegister Register, byte Bit, byte Level)
{
    /// <summary>CPUID subleaf.</summary>
    public uint Subleaf => Leaf == 0xd ? 1u : 0;
}

/// <summary>Every feature that a guest can be offered.</summary>
internal static class FeatureTable
{
    private const CpuidRegister A = CpuidRegister.Eax, B = CpuidRegister.Ebx, C = CpuidRegister.Ecx, D = CpuidRegister.Edx;

    /// <summary>A feature that the level models leave out and max has.</summary>
    public const byte MaxOnly = 9;

    /// <summary>The table.</summary>
    public static ImmutableArray<FeatureBit> Bits { get; } =
    [
        new(CpuFeature.Fpu, "", 1, D, 0, 0), new(CpuFeature.De, "de", 1, D, 2, 0), new(CpuFeature.Pse, "pse", 1, D, 3, 0),
        new(CpuFeature.Tsc, "tsc", 1, D, 4, 0), new(CpuFeature.Msr, "msr", 1, D, 5, 0), new(CpuFeature.Pae, "pae", 1, D, 6, 0),
        new(CpuFeature.Mce, "mce", 1, D, 7, 0), new(CpuFeature.Cx8, "cx8", 1, D, 8, 0), new(CpuFeature.Apic, "apic", 1, D, 9, 0),
        new(CpuFeature.Sep, "sep", 1, D, 11, 0), new(CpuFeature.Mtrr, "mtrr", 1, D, 12, 0), new(CpuFeature.Pge, "pge", 1, D, 13, 0),
        new(CpuFeature.Mca, "mca", 1, D, 14, 0), new(CpuFeature.Cmov, "cmov", 1, D, 15, 0), new(CpuFeature.Pat, "pat", 1, D, 16, 0),
        new(CpuFeature.Clflush, "clflush", 1, D, 19, 0), new(CpuFeature.Mmx, "mmx", 1, D, 23, 0), new(CpuFeature.Fxsr, "fxsr", 1, D, 24, 0),
        new(CpuFeature.Sse, "sse", 1, D, 25, 0), new(CpuFeature.Sse2, "sse2", 1, D, 26, 0),

        new(CpuFeature.Pni, "pni", 1, C, 0, 2), new(CpuFeature.Pclmulqdq, "pclmulqdq", 1, C, 1, MaxOnly),
        new(CpuFeature.Ssse3, "ssse3", 1, C, 9, 2), new(CpuFeature.Fma, "fma", 1, C, 12, 3), new(CpuFeature.Cx16, "cx16", 1, C, 13, 2),
        new(CpuFeature.Pcid, "pcid", 1, C, 17, 0), new(CpuFeature.Sse4_1, "sse4_1", 1, C, 19, 2),
        new(CpuFeature.Sse4_2, "sse4_2", 1, C, 20, 2), new(CpuFeature.X2Apic, "x2apic", 1, C, 21, 0),
        new(CpuFeature.Movbe, "movbe", 1, C, 22, 3), new(CpuFeature.Popcnt, "popcnt", 1, C, 23, 2),
        new(CpuFeature.TscDeadline, "tsc_deadline_timer", 1, C, 24, 0), new(CpuFeature.Aes, "aes", 1, C, 25, MaxOnly),
        new(CpuFeature.Xsave, "xsave", 1, C, 26, 3), new(CpuFeature.Avx, "avx", 1, C, 28, 3), new(CpuFeature.F16c, "f16c", 1, C, 29, 3),
        new(CpuFeature.Rdrand, "rdrand", 1, C, 30, MaxOnly), new(CpuFeature.Hypervisor, "hypervisor", 1, C, 31, 0),

        new(CpuFeature.Arat, "arat", 6, A, 2, 0),

        new(CpuFeature.FsGsBase, "fsgsbase", 7, B, 0, MaxOnly), new(CpuFeature.TscAdjust, "tsc_adjust", 7, B, 1, 0),
        new(CpuFeature.Bmi1, "bmi1", 7, B, 3, 3), new(CpuFeature.Avx2, "avx2", 7, B, 5, 3), new(CpuFeature.FdpExceptionOnly, "", 7, B, 6, 0),
        new(CpuFeature.Smep, "smep", 7, B, 7, 0), new(CpuFeature.Bmi2, "bmi2", 7, B, 8, 3), new(CpuFeature.Erms, "erms", 7, B, 9, 0),
        new(CpuFeature.Invpcid, "invpcid", 7, B, 10, 0), new(CpuFeature.ZeroFcsFds, "", 7, B, 13, 0),
        new(CpuFeature.Rdseed, "rdseed", 7, B, 18, MaxOnly), new(CpuFeature.Adx, "adx", 7, B, 19, MaxOnly),
        new(CpuFeature.Smap, "smap", 7, B, 20, 0), new(CpuFeature.ClflushOpt, "clflushopt", 7, B, 23, MaxOnly),
        new(CpuFeature.Clwb, "clwb", 7, B, 24, MaxOnly), new(CpuFeature.ShaNi, "sha_ni", 7, B, 29, MaxOnly),
        new(CpuFeature.Umip, "umip", 7, C, 2, 0), new(CpuFeature.Gfni, "gfni", 7, C, 8, MaxOnly),
        new(CpuFeature.Vaes, "vaes", 7, C, 9, MaxOnly), new(CpuFeature.Vpclmulqdq, "vpclmulqdq", 7, C, 10, MaxOnly),
        new(CpuFeature.Rdpid, "rdpid", 7, C, 22, MaxOnly), new(CpuFeature.Fsrm, "fsrm", 7, D, 4, 0),
        new(CpuFeature.SpecCtrl, "spec_ctrl", 7, D, 26, 0),
        new(CpuFeature.ArchCapabilities, "arch_capabilities", 7, D, 29, 0),

        new(CpuFeature.LahfLm, "lahf_lm", 0x8000_0001, C, 0, 2), new(CpuFeature.Cr8Legacy, "cr8_legacy", 0x8000_0001, C, 4, 0),
        new(CpuFeature.Abm, "abm", 0x8000_0001, C, 5, 3), new(CpuFeature.Prefetch3dnow, "3dnowprefetch", 0x8000_0001, C, 8, MaxOnly),
        new(CpuFeature.TopoExt, "topoext", 0x8000_0001, C, 22, 0),
        new(CpuFeature.Syscall, "syscall", 0x8000_0001, D, 11, 0), new(CpuFeature.Nx, "nx", 0x8000_0001, D, 20, 0),
        new(CpuFeature.MmxExt, "mmxext", 0x8000_0001, D, 22, MaxOnly), new(CpuFeature.Pdpe1gb, "pdpe1gb", 0x8000_0001, D, 26, 0),
        new(CpuFeature.Rdtscp, "rdtscp", 0x8000_0001, D, 27, 0), new(CpuFeature.Lm, "lm", 0x8000_0001, D, 29, 0),
        new(CpuFeature.ConstantTsc, "constant_tsc", 0x8000_0007, D, 8, 0),
        new(CpuFeature.XsaveErPtr, "", 0x8000_0008, B, 2, 0), new(CpuFeature.AmdSsbNo, "", 0x8000_0008, B, 26, 0),
        new(CpuFeature.BtcNo, "", 0x8000_0008, B, 29, 0),
        new(CpuFeature.NoNestedDataBp, "", 0x8000_0021, A, 0, 0),
        new(CpuFeature.LfenceSerializing, "", 0x8000_0021, A, 2, 0),
        new(CpuFeature.NullSelClearsBase, "", 0x8000_0021, A, 6, 0),
        new(CpuFeature.AutoIbrs, "autoibrs", 0x8000_0021, A, 8, 0), new(CpuFeature.SrsoNo, "", 0x8000_0021, A, 29, 0),
        new(CpuFeature.TsaSqNo, "", 0x8000_0021, C, 1, 0), new(CpuFeature.TsaL1No, "", 0x8000_0021, C, 2, 0),

        new(CpuFeature.XsaveOpt, "xsaveopt", 0xd, A, 0, MaxOnly), new(CpuFeature.XsaveC, "xsavec", 0xd, A, 1, MaxOnly),
        new(CpuFeature.Xgetbv1, "xgetbv1", 0xd, A, 2, MaxOnly),

        new(CpuFeature.KvmClock, "kvmclock", CpuidTable.KvmFeatureLeaf, A, 3, 0),
    ];

    /// <summary>Where a feature is.</summary>
    public static FeatureBit Find(CpuFeature feature)
    {
        foreach (FeatureBit bit in Bits)
            if (bit.Feature == feature) return bit;
        throw new InvalidOperationException($"CPU feature {feature} is not in the table.");
    }
}
