namespace Hutch.Model.Processor;

/// <summary>
/// A feature bit of CPUID (or of a feature MSR) that the program speaks of by itself. The number is the word's place in <see cref="FeatureWords.All"/> times 32
/// plus the bit, so every bit has a number, named here or not; Features.txt has all names.
/// </summary>
#pragma warning disable CS1591 // The names are those of Intel's and AMD's manuals and of Linux.
public enum CpuFeature : ushort
{
    // 1.0.edx
    Fpu = (0 << 5) | 0,
    Vme = (0 << 5) | 1,
    De = (0 << 5) | 2,
    Pse = (0 << 5) | 3,
    Tsc = (0 << 5) | 4,
    Msr = (0 << 5) | 5,
    Pae = (0 << 5) | 6,
    Mce = (0 << 5) | 7,
    Cx8 = (0 << 5) | 8,
    Apic = (0 << 5) | 9,
    Sep = (0 << 5) | 11,
    Mtrr = (0 << 5) | 12,
    Pge = (0 << 5) | 13,
    Mca = (0 << 5) | 14,
    Cmov = (0 << 5) | 15,
    Pat = (0 << 5) | 16,
    Pse36 = (0 << 5) | 17,
    Clflush = (0 << 5) | 19,
    Mmx = (0 << 5) | 23,
    Fxsr = (0 << 5) | 24,
    Sse = (0 << 5) | 25,
    Sse2 = (0 << 5) | 26,
    Ss = (0 << 5) | 27,
    Ht = (0 << 5) | 28,

    // 1.0.ecx
    Pni = (1 << 5) | 0,
    Pclmulqdq = (1 << 5) | 1,
    Monitor = (1 << 5) | 3,
    Vmx = (1 << 5) | 5,
    Ssse3 = (1 << 5) | 9,
    Fma = (1 << 5) | 12,
    Cx16 = (1 << 5) | 13,
    Pcid = (1 << 5) | 17,
    Sse4_1 = (1 << 5) | 19,
    Sse4_2 = (1 << 5) | 20,
    X2Apic = (1 << 5) | 21,
    Movbe = (1 << 5) | 22,
    Popcnt = (1 << 5) | 23,
    TscDeadline = (1 << 5) | 24,
    Aes = (1 << 5) | 25,
    Xsave = (1 << 5) | 26,
    Avx = (1 << 5) | 28,
    F16c = (1 << 5) | 29,
    Rdrand = (1 << 5) | 30,
    Hypervisor = (1 << 5) | 31,

    // 6.0.eax
    Arat = (2 << 5) | 2,

    // 7.0.ebx
    FsGsBase = (3 << 5) | 0,
    TscAdjust = (3 << 5) | 1,
    Bmi1 = (3 << 5) | 3,
    Hle = (3 << 5) | 4,
    Avx2 = (3 << 5) | 5,
    FdpExceptionOnly = (3 << 5) | 6,
    Smep = (3 << 5) | 7,
    Bmi2 = (3 << 5) | 8,
    Erms = (3 << 5) | 9,
    Invpcid = (3 << 5) | 10,
    Rtm = (3 << 5) | 11,
    ZeroFcsFds = (3 << 5) | 13,
    Mpx = (3 << 5) | 14,
    Avx512f = (3 << 5) | 16,
    Rdseed = (3 << 5) | 18,
    Adx = (3 << 5) | 19,
    Smap = (3 << 5) | 20,
    ClflushOpt = (3 << 5) | 23,
    Clwb = (3 << 5) | 24,
    ShaNi = (3 << 5) | 29,

    // 7.0.ecx
    Umip = (4 << 5) | 2,
    Pku = (4 << 5) | 3,
    Gfni = (4 << 5) | 8,
    Vaes = (4 << 5) | 9,
    Vpclmulqdq = (4 << 5) | 10,
    La57 = (4 << 5) | 16,
    Rdpid = (4 << 5) | 22,
    Cldemote = (4 << 5) | 25,
    Movdiri = (4 << 5) | 27,
    Movdir64b = (4 << 5) | 28,

    // 7.0.edx
    Fsrm = (5 << 5) | 4,
    AmxTile = (5 << 5) | 24,
    SpecCtrl = (5 << 5) | 26,
    Stibp = (5 << 5) | 27,
    ArchCapabilities = (5 << 5) | 29,
    CoreCapability = (5 << 5) | 30,
    Ssbd = (5 << 5) | 31,

    // d.1.eax
    XsaveOpt = (9 << 5) | 0,
    XsaveC = (9 << 5) | 1,
    Xgetbv1 = (9 << 5) | 2,
    Xsaves = (9 << 5) | 3,
    Xfd = (9 << 5) | 4,

    // 80000001.0.edx
    Syscall = (10 << 5) | 11,
    Nx = (10 << 5) | 20,
    MmxExt = (10 << 5) | 22,
    FxsrOpt = (10 << 5) | 25,
    Pdpe1gb = (10 << 5) | 26,
    Rdtscp = (10 << 5) | 27,
    Lm = (10 << 5) | 29,

    // 80000001.0.ecx
    LahfLm = (11 << 5) | 0,
    CmpLegacy = (11 << 5) | 1,
    Svm = (11 << 5) | 2,
    Cr8Legacy = (11 << 5) | 4,
    Abm = (11 << 5) | 5,
    Sse4a = (11 << 5) | 6,
    MisalignSse = (11 << 5) | 7,
    Prefetch3dnow = (11 << 5) | 8,
    Osvw = (11 << 5) | 9,
    TopoExt = (11 << 5) | 22,

    // 80000007.0.ebx
    OverflowRecovery = (12 << 5) | 0,
    Succor = (12 << 5) | 1,

    // 80000007.0.edx
    ConstantTsc = (13 << 5) | 8,

    // 80000008.0.ebx
    Clzero = (14 << 5) | 0,
    XsaveErPtr = (14 << 5) | 2,
    Wbnoinvd = (14 << 5) | 9,
    Ibpb = (14 << 5) | 12,
    Ibrs = (14 << 5) | 14,
    AmdStibp = (14 << 5) | 15,
    StibpAlwaysOn = (14 << 5) | 17,
    AmdSsbd = (14 << 5) | 24,
    VirtSsbd = (14 << 5) | 25,
    AmdSsbNo = (14 << 5) | 26,
    AmdPsfd = (14 << 5) | 28,
    BtcNo = (14 << 5) | 29,

    // 80000021.0.eax
    NoNestedDataBp = (16 << 5) | 0,
    FsGsBaseNs = (16 << 5) | 1,
    LfenceSerializing = (16 << 5) | 2,
    NullSelClearsBase = (16 << 5) | 6,
    AutoIbrs = (16 << 5) | 8,
    SrsoNo = (16 << 5) | 29,

    // 80000021.0.ecx
    TsaSqNo = (17 << 5) | 1,
    TsaL1No = (17 << 5) | 2,

    // 40000001.0.eax
    KvmClock = (19 << 5) | 3,
    KvmClockStable = (19 << 5) | 24,
}
