using Hutch.Core.Cpuid;
using Hutch.Model.Processor;

namespace Hutch.Cpu.Msr;

/// <summary>
/// MSRs of one vendor's CPUs that operating systems touch without asking, and those that are kept without meaning much here.
/// </summary>
internal sealed class VendorRegisters(CpuidTable cpuid)
{
    // HWCR: TSC counts at the P0 rate, which Linux checks. FAST_STRING of MISC_ENABLE; branch trace and PEBS unavailable.
    private const ulong TscFreqSel = 1 << 24, McStatusWriteEnable = 1 << 18, MiscEnableAfterReset = 1 | (1 << 11) | (1 << 12);

    // Microcode revisions that no update applies to and that kernels take as "recent enough".
    private const ulong AmdMicrocode = 0x0100_0065, IntelMicrocode = 0x1_0000_0000;
    private const ulong FeatureControlLocked = 1, LfenceSerializing = 2, Ibrs = 1, Stibp = 2, Ssbd = 4, Psfd = 1 << 7;

    // One bit of OSVW is known to software: APIC timers that stop in C1E. It is clear (AMD APM 2 §3.3.5).
    private const ulong OsvwBits = 2;

    private readonly ulong _specCtrlBits = SpecCtrlBits(cpuid.Features);
    private readonly bool _hasBarrier = cpuid.Features[CpuFeature.SpecCtrl] || cpuid.Features[CpuFeature.Ibpb];

    private ulong _hwcr = TscFreqSel, _deCfg = LfenceSerializing, _icCfg, _miscEnable = MiscEnableAfterReset, _specCtrl, _debugCtl, _machineCheckStatus;

    /// <summary>State after reset.</summary>
    public void Reset()
    {
        _hwcr = TscFreqSel;
        _deCfg = LfenceSerializing;
        _icCfg = 0;
        _miscEnable = MiscEnableAfterReset;
        _specCtrl = _debugCtl = _machineCheckStatus = 0;
    }

    /// <summary>False: #GP.</summary>
    public bool Read(uint index, out ulong value)
    {
        value = 0;
        switch (index)
        {
            // Machine check without banks.
            case MsrIndex.P5McAddress or MsrIndex.P5McType or MsrIndex.McgCap: return true;
            case MsrIndex.McgStatus: value = _machineCheckStatus; return true;
            case MsrIndex.DebugCtl: value = _debugCtl; return true;
            // Intel's; other hypervisors have it on every CPU, and test suites count on that.
            case MsrIndex.MiscEnable: value = _miscEnable; return true;
            case >= MsrIndex.LastBranchFrom and <= MsrIndex.LastExceptionTo: return true;
            case MsrIndex.BiosSignId: value = cpuid.IsAmd ? AmdMicrocode : IntelMicrocode; return true;
            case MsrIndex.SpecCtrl when _specCtrlBits != 0: value = _specCtrl; return true;
            case MsrIndex.Xss when cpuid.Features[CpuFeature.Xsaves]: return true;
            default: return cpuid.IsAmd ? ReadAmd(index, out value) : ReadIntel(index, out value);
        }
    }

    /// <summary>False: #GP.</summary>
    public bool Write(uint index, ulong value)
    {
        switch (index)
        {
            case MsrIndex.P5McAddress or MsrIndex.P5McType: return true;
            case MsrIndex.McgStatus: return Set(ref _machineCheckStatus, value, (value & ~7UL) == 0);
            // Branch records and single-step on branches are accepted and not carried out.
            case MsrIndex.DebugCtl: return Set(ref _debugCtl, value, (value & ~3UL) == 0);
            case MsrIndex.BiosSignId: return true;
            case MsrIndex.MiscEnable: return Set(ref _miscEnable, value, true);
            // Mitigations: see there what these are good for.
            case MsrIndex.SpecCtrl when _specCtrlBits != 0: return Set(ref _specCtrl, value, (value & ~_specCtrlBits) == 0);
            case MsrIndex.PredCmd when _hasBarrier: return (value & ~1UL) == 0;
            case MsrIndex.Xss when cpuid.Features[CpuFeature.Xsaves]: return value == 0;
            default: return cpuid.IsAmd ? WriteAmd(index, value) : WriteIntel(index, value);
        }
    }

    private bool ReadAmd(uint index, out ulong value)
    {
        value = 0;
        switch (index)
        {
            case MsrIndex.Hwcr: value = _hwcr; return true;
            case MsrIndex.DeCfg: value = _deCfg; return true;
            case MsrIndex.OsvwLength when cpuid.Features[CpuFeature.Osvw]: value = OsvwBits; return true;
            case MsrIndex.OsvwStatus when cpuid.Features[CpuFeature.Osvw]: return true;
            case MsrIndex.IcCfg: value = _icCfg; return true;
            case MsrIndex.Syscfg or MsrIndex.TopMem or MsrIndex.TopMem2 or MsrIndex.NbCfg or MsrIndex.MmioConfBase: return true;
            case MsrIndex.TsegAddress or MsrIndex.TsegMask or MsrIndex.DcCfg or MsrIndex.BuCfg2 or MsrIndex.IntPending: return true;
            // The four counters that every AMD CPU has are there and never count: a kernel that writes one and reads it back sees that.
            case >= MsrIndex.PerfEventSelect0 and <= MsrIndex.PerfCounter3: return true;
            default: return false;
        }
    }

    private bool WriteAmd(uint index, ulong value)
    {
        switch (index)
        {
            // SLOWFENCE, MCi_STATUS writes and TscFreqSel are the only bits kept; FFDIS and the like have nothing to switch here.
            case MsrIndex.Hwcr: return Set(ref _hwcr, value & (McStatusWriteEnable | TscFreqSel), (value & ~(McStatusWriteEnable | TscFreqSel | 0x148UL)) == 0);
            case MsrIndex.DeCfg: return Set(ref _deCfg, value, (value & ~LfenceSerializing) == 0);
            case MsrIndex.IcCfg: return Set(ref _icCfg, value, true);
            case MsrIndex.Syscfg or MsrIndex.NbCfg or MsrIndex.BuCfg2 or MsrIndex.DcCfg: return true;
            case >= MsrIndex.PerfEventSelect0 and <= MsrIndex.PerfCounter3: return true;
            default: return false;
        }
    }

    private bool ReadIntel(uint index, out ulong value)
    {
        value = 0;
        switch (index)
        {
            case MsrIndex.PlatformId or MsrIndex.EblPowerOn: return true;
            case MsrIndex.FeatureControl: value = FeatureControlLocked; return true;
            // "TSC increments by" and multiplier, as hypervisors have always answered.
            case MsrIndex.PerfStatus: value = 1000 | (4UL << 40); return true;
            case MsrIndex.ArchCapabilities when cpuid.Features[CpuFeature.ArchCapabilities]: value = cpuid.ArchCapabilities; return true;
            default: return false;
        }
    }

    private bool WriteIntel(uint index, ulong value)
    {
        switch (index)
        {
            case MsrIndex.EblPowerOn: return true;
            default: return false;
        }
    }

    private static ulong SpecCtrlBits(FeatureSet features)
    {
        bool Any(CpuFeature intel, CpuFeature amd) => features[intel] || features[amd];
        return (Any(CpuFeature.SpecCtrl, CpuFeature.Ibrs) ? Ibrs : 0) | (Any(CpuFeature.Stibp, CpuFeature.AmdStibp) ? Stibp : 0)
            | (Any(CpuFeature.Ssbd, CpuFeature.AmdSsbd) ? Ssbd : 0) | (features[CpuFeature.AmdPsfd] ? Psfd : 0);
    }

    private static bool Set(ref ulong register, ulong value, bool valid)
    {
        if (valid) register = value;
        return valid;
    }
}
