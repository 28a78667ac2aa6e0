using System.Collections.Generic;
using Hutch.Core.Cpuid;
using Hutch.Cpu.Apic;
using Hutch.Cpu.Paravirtual;
using Hutch.Cpu.State;
using Hutch.Model.Processor;

namespace Hutch.Cpu.Msr;

/// <summary>The MSRs of one vCPU. The vCPU's thread, or while it is stopped.</summary>
internal sealed unsafe class MsrFile
{
    private const ulong Sce = 1, Lme = 1 << 8, Lma = 1 << 10, Nxe = 1 << 11, Ffxsr = 1 << 14, AutoIbrs = 1 << 21, Paging = 1UL << 31;

    // In the order in which a state is restored; the deadline comes last, because the timer mode must be right before.
    // The TSC is not among them: time has gone on between saving and restoring, and the vCPUs' TSCs must not come apart. It is the machine's to set.
    private static readonly uint[] Saved =
    [
        MsrIndex.Star, MsrIndex.Lstar, MsrIndex.Cstar, MsrIndex.SyscallMask, MsrIndex.KernelGsBase, MsrIndex.TscAux,
        MsrIndex.SysenterCs, MsrIndex.SysenterEsp, MsrIndex.SysenterEip, MsrIndex.MiscEnable, MsrIndex.SpecCtrl, MsrIndex.McgStatus, MsrIndex.DebugCtl,
        MsrIndex.Hwcr, MsrIndex.DeCfg, MsrIndex.IcCfg, .. MemoryTypeRegisters.Indexes,
        MsrIndex.TscAdjust, MsrIndex.KvmWallClock, MsrIndex.KvmSystemTime, MsrIndex.TscDeadline,
    ];

    private readonly SoftVcpu _vcpu;
    private readonly CpuidTable _cpuid;
    private readonly VendorRegisters _vendor;

    public MsrFile(SoftVcpu vcpu, CpuidTable cpuid)
    {
        _vcpu = vcpu;
        _cpuid = cpuid;
        _vendor = new VendorRegisters(cpuid);
        MemoryTypes = new MemoryTypeRegisters(cpuid.PhysicalAddressBits);
        KvmClock = new KvmClock(vcpu);
    }

    /// <summary>MTRRs and PAT.</summary>
    public MemoryTypeRegisters MemoryTypes { get; }

    /// <summary>The paravirtual clock.</summary>
    public KvmClock KvmClock { get; }

    private GuestTime Time => _vcpu.Time;

    /// <summary>State after reset (power-on) of every MSR, those in the context included. INIT changes none of them but EFER, which the caller clears.</summary>
    public void Reset()
    {
        VcpuContext* c = _vcpu.Context;
        c->Efer = c->Star = c->Lstar = c->Cstar = c->SyscallMask = c->KernelGsBase = c->TscAux = 0;
        c->SysenterCs = c->SysenterEsp = c->SysenterEip = 0;
        c->ApicBase = ApicBase.AfterReset(_vcpu.Index);
        _vendor.Reset();
        MemoryTypes.Reset();
        KvmClock.Reset();
        Time.Reset();
    }

    /// <summary>RDMSR. False: #GP(0).</summary>
    public bool ReadMsr(uint index, out ulong value)
    {
        VcpuContext* c = _vcpu.Context;
        value = 0;
        switch (index)
        {
            case >= MsrIndex.X2ApicFirst and <= MsrIndex.X2ApicLast: return _vcpu.Apic.Registers.ReadMsr(index, out value);
            case MsrIndex.TscDeadline when Has(CpuFeature.TscDeadline): value = _vcpu.Apic.Timer.TscDeadline; return true;
            case MsrIndex.FsBase: value = c->Segments[(int)Seg.Fs].Base; return true;
            case MsrIndex.GsBase: value = c->Segments[(int)Seg.Gs].Base; return true;
            case MsrIndex.KernelGsBase: value = c->KernelGsBase; return true;
            case MsrIndex.Efer: value = c->Efer; return true;
            case MsrIndex.Star: value = c->Star; return true;
            case MsrIndex.Lstar: value = c->Lstar; return true;
            case MsrIndex.Cstar: value = c->Cstar; return true;
            case MsrIndex.SyscallMask: value = c->SyscallMask; return true;
            case MsrIndex.TscAux when HasTscAux: value = c->TscAux; return true;
            case MsrIndex.SysenterCs: value = c->SysenterCs; return true;
            case MsrIndex.SysenterEsp: value = c->SysenterEsp; return true;
            case MsrIndex.SysenterEip: value = c->SysenterEip; return true;
            case MsrIndex.Tsc: value = Time.ReadTsc(); return true;
            case MsrIndex.TscAdjust when Has(CpuFeature.TscAdjust): value = Time.TscAdjust; return true;
            case MsrIndex.ApicBase: value = c->ApicBase; return true;
            case MsrIndex.KvmSystemTime or MsrIndex.KvmSystemTimeOld when Has(CpuFeature.KvmClock): value = KvmClock.SystemTime; return true;
            case MsrIndex.KvmWallClock or MsrIndex.KvmWallClockOld when Has(CpuFeature.KvmClock): value = KvmClock.WallClock; return true;
            default: return MemoryTypes.Read(index, out value) || _vendor.Read(index, out value);
        }
    }

    /// <summary>WRMSR. False: #GP(0), nothing changed.</summary>
    public bool WriteMsr(uint index, ulong value)
    {
        VcpuContext* c = _vcpu.Context;
        switch (index)
        {
            case >= MsrIndex.X2ApicFirst and <= MsrIndex.X2ApicLast: return _vcpu.Apic.Registers.WriteMsr(index, value);
            case MsrIndex.TscDeadline when Has(CpuFeature.TscDeadline): _vcpu.Apic.Timer.TscDeadline = value; return true;
            case MsrIndex.FsBase: return Set(ref c->Segments[(int)Seg.Fs].Base, value, IsCanonical(value));
            case MsrIndex.GsBase: return Set(ref c->Segments[(int)Seg.Gs].Base, value, IsCanonical(value));
            case MsrIndex.KernelGsBase: return Set(ref c->KernelGsBase, value, IsCanonical(value));
            case MsrIndex.Efer: return WriteEfer(value);
            case MsrIndex.Star: c->Star = value; return true;
            case MsrIndex.Lstar: return Set(ref c->Lstar, value, IsCanonical(value));
            case MsrIndex.Cstar: return Set(ref c->Cstar, value, IsCanonical(value));
            case MsrIndex.SyscallMask: return Set(ref c->SyscallMask, value, value >> 32 == 0);
            case MsrIndex.TscAux when HasTscAux: return Set(ref c->TscAux, value, value >> 32 == 0);
            case MsrIndex.SysenterCs: c->SysenterCs = (uint)value; return true;
            case MsrIndex.SysenterEsp: return Set(ref c->SysenterEsp, value, IsCanonical(value));
            case MsrIndex.SysenterEip: return Set(ref c->SysenterEip, value, IsCanonical(value));
            case MsrIndex.Tsc: Time.WriteTsc(value); return true;
            case MsrIndex.TscAdjust when Has(CpuFeature.TscAdjust): Time.WriteTscAdjust(value); return true;
            case MsrIndex.ApicBase: return WriteApicBase(value);
            case MsrIndex.KvmSystemTime or MsrIndex.KvmSystemTimeOld when Has(CpuFeature.KvmClock): return KvmClock.WriteSystemTime(value);
            case MsrIndex.KvmWallClock or MsrIndex.KvmWallClockOld when Has(CpuFeature.KvmClock): KvmClock.WriteWallClock(value); return true;
            default: return MemoryTypes.Write(index, value) || _vendor.Write(index, value);
        }
    }

    /// <summary>Adds what <see cref="Core.Engine.X86VcpuState"/> has no field for. IA32_APIC_BASE is included; EFER and segment bases are not.</summary>
    public void Save(Dictionary<uint, ulong> msrs)
    {
        msrs[MsrIndex.ApicBase] = _vcpu.Context->ApicBase;
        foreach (uint index in Saved)
            if (ReadMsr(index, out ulong value)) msrs[index] = value;
    }

    /// <summary>
    /// First half of a restore: IA32_APIC_BASE, which decides how the APIC's registers are read. Then restore the APIC, then call <see cref="RestoreRest"/>.
    /// </summary>
    public void RestoreApicBase(Dictionary<uint, ulong> msrs)
    {
        if (msrs.TryGetValue(MsrIndex.ApicBase, out ulong value)) _vcpu.Context->ApicBase = value;
    }

    /// <summary>Second half of a restore: every other MSR of <see cref="Save"/>. Values that a guest could not write are left out.</summary>
    public void RestoreRest(Dictionary<uint, ulong> msrs)
    {
        foreach (uint index in Saved)
        {
            if (!msrs.TryGetValue(index, out ulong value)) continue;
            switch (index)
            {
                // The wall clock is written into guest RAM once; that RAM has been restored with it.
                case MsrIndex.KvmWallClock: KvmClock.RestoreWallClock(value); break;
                // The TSC itself is restored with the machine's clock.
                case MsrIndex.TscAdjust: Time.RestoreTscAdjust(value); break;
                default: WriteMsr(index, value); break;
            }
        }
    }

    private bool HasTscAux => Has(CpuFeature.Rdtscp) || Has(CpuFeature.Rdpid);

    private bool Has(CpuFeature feature) => _cpuid.Features[feature];

    private static bool IsCanonical(ulong value) => (ulong)((long)(value << 16) >> 16) == value;

    private static bool Set(ref ulong register, ulong value, bool valid)
    {
        if (valid) register = value;
        return valid;
    }

    // Intel SDM 3A §2.2.1; AMD APM 2 §3.1.7. LMA follows LME and paging; writes do not change it.
    private bool WriteEfer(ulong value)
    {
        VcpuContext* c = _vcpu.Context;
        ulong allowed = Lma;
        if (Has(CpuFeature.Syscall)) allowed |= Sce;
        if (Has(CpuFeature.FxsrOpt)) allowed |= Ffxsr;
        if (Has(CpuFeature.Lm)) allowed |= Lme;
        if (Has(CpuFeature.Nx)) allowed |= Nxe;
        if (Has(CpuFeature.AutoIbrs)) allowed |= AutoIbrs;
        if ((value & ~allowed) != 0) return false;
        ulong changed = c->Efer ^ value;
        if ((changed & Lme) != 0 && (c->Cr0 & Paging) != 0) return false;
        c->Efer = (value & ~Lma) | (c->Efer & Lma);
        if ((changed & Nxe) != 0) _vcpu.Contexts.FlushAll();
        _vcpu.UpdateMode();
        return true;
    }

    private bool WriteApicBase(ulong value)
    {
        VcpuContext* c = _vcpu.Context;
        if (!ApicBase.IsValidChange(c->ApicBase, value, _cpuid.PhysicalAddressBits, Has(CpuFeature.X2Apic))) return false;
        ulong changed = c->ApicBase ^ value;
        c->ApicBase = value;
        if (changed == 0) return true;
        _vcpu.Apic.Registers.UpdateMode(resetIds: false);
        // The page may have moved over or away from RAM that translated code reaches directly.
        _vcpu.Contexts.FlushAll();
        return true;
    }
}
