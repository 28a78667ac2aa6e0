namespace Hutch.Core.Cpuid;

/// <summary>Features that the engine knows how to give, named as Linux's /proc/cpuinfo has them.</summary>
internal enum CpuFeature : byte
{
    // Leaf 1.
    Fpu, De, Pse, Tsc, Msr, Pae, Mce, Cx8, Apic, Sep, Mtrr, Pge, Mca, Cmov, Pat, Clflush, Mmx, Fxsr, Sse, Sse2,
    Pni, Pclmulqdq, Ssse3, Fma, Cx16, Pcid, Sse4_1, Sse4_2, X2Apic, Movbe, Popcnt, TscDeadline, Aes, Xsave, Avx, F16c, Rdrand, Hypervisor,

    // Leaf 6.
    Arat,

    // Leaf 7.
    FsGsBase, TscAdjust, Bmi1, Avx2, FdpExceptionOnly, Smep, Bmi2, Erms, Invpcid, ZeroFcsFds, Rdseed, Adx, Smap, ClflushOpt, Clwb, ShaNi,
    Umip, Gfni, Vaes, Vpclmulqdq, Rdpid, Fsrm, SpecCtrl, ArchCapabilities,

    // Leaf 0xd.
    XsaveOpt, XsaveC, Xgetbv1,

    // Extended leaves.
    LahfLm, Cr8Legacy, Abm, Prefetch3dnow, TopoExt, Syscall, Nx, MmxExt, Pdpe1gb, Rdtscp, Lm,
    ConstantTsc, XsaveErPtr, AmdSsbNo, BtcNo,
    NoNestedDataBp, LfenceSerializing, NullSelClearsBase, AutoIbrs, SrsoNo, TsaSqNo, TsaL1No,

    // KVM's leaf.
    KvmClock,
}
