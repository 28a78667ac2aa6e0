namespace Hutch.Cpu.Msr;

/// <summary>MSR numbers (Intel SDM 4; AMD APM 2 appendix A; linux/Documentation/virt/kvm/x86/msr.rst).</summary>
internal static class MsrIndex
{
    public const uint P5McAddress = 0, P5McType = 1, Tsc = 0x10, KvmWallClockOld = 0x11, KvmSystemTimeOld = 0x12, PlatformId = 0x17, ApicBase = 0x1b;
    public const uint EblPowerOn = 0x2a, FeatureControl = 0x3a, TscAdjust = 0x3b, SpecCtrl = 0x48, PredCmd = 0x49, CoreCapabilities = 0xcf, Xss = 0xda0;
    public const uint BiosSignId = 0x8b, MtrrCap = 0xfe, ArchCapabilities = 0x10a, SysenterCs = 0x174, SysenterEsp = 0x175, SysenterEip = 0x176;
    public const uint McgCap = 0x179, McgStatus = 0x17a, PerfStatus = 0x198, MiscEnable = 0x1a0, DebugCtl = 0x1d9, LastBranchFrom = 0x1db, LastExceptionTo = 0x1de;
    public const uint MtrrPhysBase0 = 0x200, Pat = 0x277, MtrrDefType = 0x2ff, TscDeadline = 0x6e0, X2ApicFirst = 0x800, X2ApicLast = 0x8ff;
    public const uint KvmWallClock = 0x4b56_4d00, KvmSystemTime = 0x4b56_4d01;
    public const uint Efer = 0xc000_0080, Star = 0xc000_0081, Lstar = 0xc000_0082, Cstar = 0xc000_0083, SyscallMask = 0xc000_0084;
    public const uint FsBase = 0xc000_0100, GsBase = 0xc000_0101, KernelGsBase = 0xc000_0102, TscAux = 0xc000_0103;
    public const uint OsvwLength = 0xc001_0140, OsvwStatus = 0xc001_0141;
    public const uint PerfEventSelect0 = 0xc001_0000, PerfCounter3 = 0xc001_0007;
    public const uint Syscfg = 0xc001_0010, Hwcr = 0xc001_0015, TopMem = 0xc001_001a, TopMem2 = 0xc001_001d, NbCfg = 0xc001_001f, IntPending = 0xc001_0055, MmioConfBase = 0xc001_0058;
    public const uint TsegAddress = 0xc001_0112, TsegMask = 0xc001_0113, IcCfg = 0xc001_1021, DcCfg = 0xc001_1022, DeCfg = 0xc001_1029, BuCfg2 = 0xc001_102a;
}
