using Hutch.Cpu.State;
using Hutch.Model.Processor;

namespace Hutch.Cpu.Interpreter;

/// <summary>
/// The virtual interrupt flag (Intel SDM 3A §20.3, §20.4): with CR4.VME in virtual-8086 mode, and with CR4.PVI at CPL 3 of protected mode, what a program with too
/// little IOPL does to IF is done to VIF. Only with the feature; CR4 does not take the bits without.
/// </summary>
internal sealed unsafe class VirtualFlags(SoftVcpu vcpu)
{
    private const ulong Cr4Vme = 1, Cr4Pvi = 2;
    private const int RedirectionBytes = 32, IoMapBase = 0x66, LeastTssLimit = 103;

    private readonly VcpuContext* _c = vcpu.Context;

    /// <summary>VIF and VIP, where guests have them.</summary>
    public ulong Writable => vcpu.Cpuid.Has(CpuFeature.Vme) ? Flags.Vif | Flags.Vip : 0;

    /// <summary>Virtual-8086 mode with too little IOPL.</summary>
    public bool IsRestricted => (_c->SystemFlags & Flags.Vm) != 0 && (_c->SystemFlags & Flags.Iopl) != Flags.Iopl;

    /// <summary>Flag instructions of <see cref="IsRestricted"/> code work on VIF.</summary>
    public bool IsVirtual => IsRestricted && (_c->Cr4 & Cr4Vme) != 0;

    /// <summary>CLI and STI of code with too little IOPL work on VIF.</summary>
    public bool AreInterruptsVirtual => IsVirtual || ((_c->SystemFlags & Flags.Vm) == 0 && _c->Cpl == 3 && (_c->Cr4 & Cr4Pvi) != 0);

    /// <summary>The flags as a program sees them that believes to own IF.</summary>
    public ulong Image => (_c->Rflags & ~Flags.If) | Flags.Iopl | ((_c->SystemFlags & Flags.Vif) != 0 ? Flags.If : 0);

    /// <summary>Sets VIF. False: #GP(0) is pending, because an interrupt waits for it (VIP).</summary>
    public bool Set(bool enabled)
    {
        if (enabled && (_c->SystemFlags & Flags.Vip) != 0) return vcpu.Raise(Vector.GeneralProtection, 0);
        _c->SystemFlags = (uint)(enabled ? _c->SystemFlags | Flags.Vif : _c->SystemFlags & ~Flags.Vif);
        return true;
    }

    /// <summary>Takes the 16-bit flags of POPF and IRET: IF becomes VIF, IOPL stays. False: #GP(0) is pending.</summary>
    public bool Load(ulong flags)
    {
        const ulong Mask = Flags.Arithmetic | Flags.Df | Flags.Nt;
        if ((flags & Flags.Tf) != 0) return vcpu.Raise(Vector.GeneralProtection, 0);
        if (!Set((flags & Flags.If) != 0)) return false;
        _c->Rflags = (_c->Rflags & ~(Mask | Flags.Tf)) | (flags & Mask);
        return true;
    }

    /// <summary>
    /// Whether INT n of virtual-8086 mode is for the program's own interrupt table, by the bitmap below the TSS's I/O bitmap. False with
    /// <paramref name="faulted"/>: a fault is pending.
    /// </summary>
    public bool IsRedirected(byte vector, out bool faulted)
    {
        faulted = false;
        if ((_c->SystemFlags & Flags.Vm) == 0 || (_c->Cr4 & Cr4Vme) == 0) return false;
        ref Core.Engine.SegmentState tss = ref _c->Segments[(int)Seg.Tr];
        faulted = true;
        if (tss.Limit < LeastTssLimit) return vcpu.Raise(Vector.GeneralProtection, 0);
        if (!vcpu.Linear.ReadSystem(tss.Base + IoMapBase, out ushort ioMap)) return false;
        uint at = (uint)ioMap - RedirectionBytes + (uint)(vector >> 3);
        if (ioMap < RedirectionBytes || at > tss.Limit) return vcpu.Raise(Vector.GeneralProtection, 0);
        if (!vcpu.Linear.ReadSystem(tss.Base + at, out byte bits)) return false;
        faulted = false;
        return (bits >> (vector & 7) & 1) == 0;
    }
}
