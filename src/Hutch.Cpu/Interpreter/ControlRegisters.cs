using Hutch.Cpu.State;
using Hutch.Model.Processor;
using Iced.Intel;

namespace Hutch.Cpu.Interpreter;

/// <summary>MOV to and from CR0-CR8, LMSW, SMSW, CLTS, XSETBV, XGETBV (Intel SDM 3A §2.5, §2.6).</summary>
internal sealed unsafe class ControlRegisters(Interpreter cpu)
{
    private const ulong Pe = 1, Mp = 2, Em = 4, Ts = 8, Et = 0x10, Ne = 0x20, Wp = 1 << 16, Am = 1 << 18, Nw = 1 << 29, Cd = 1 << 30, Pg = 1UL << 31;
    private const ulong Vme = 1, Pvi = 2, Tsd = 4, De = 8, Pse = 0x10, Pae = 0x20, Mce = 0x40, Pge = 0x80, Pce = 0x100, Osfxsr = 0x200, Osxmmexcpt = 0x400, Umip = 0x800;
    private const ulong FsGsBase = 1 << 16, Pcide = 1 << 17, Osxsave = 1 << 18, Smep = 1 << 20, Smap = 1 << 21, Pke = 1 << 22;
    private const ulong EferLme = 1 << 8, EferLma = 1 << 10, NoFlush = 1UL << 63;

    private readonly SoftVcpu _vcpu = cpu.Vcpu;
    private readonly VcpuContext* _c = cpu.Vcpu.Context;
    private readonly ulong _cr4Known = Cr4Of(cpu.Vcpu.Cpuid.Table.Features);

    /// <summary>MOV with a control register. False: a fault is pending.</summary>
    public bool Move(in Instruction i)
    {
        bool write = i.Op0Register is >= Register.CR0 and <= Register.CR15;
        Register control = write ? i.Op0Register : i.Op1Register;
        if (control is not (Register.CR0 or Register.CR2 or Register.CR3 or Register.CR4 or Register.CR8)) return _vcpu.Raise(Vector.InvalidOpcode);
        if (_c->Cpl != 0) return _vcpu.Raise(Vector.GeneralProtection, 0);
        if (write) return Write(control, GuestRegisters.Read(_c, i.Op1Register));
        GuestRegisters.Write(_c, i.Op0Register, control switch
        {
            Register.CR0 => _c->Cr0, Register.CR2 => _c->Cr2, Register.CR3 => _c->Cr3, Register.CR4 => _c->Cr4, _ => _vcpu.Apic.Cr8,
        });
        return true;
    }

    /// <summary>LMSW: the low four bits of CR0; PE can be set, not cleared.</summary>
    public bool LoadStatusWord(in Instruction i)
    {
        if (_c->Cpl != 0) return _vcpu.Raise(Vector.GeneralProtection, 0);
        return cpu.Operands.Read(i, 0, 2, out ulong value) && WriteCr0((_c->Cr0 & ~0xeUL) | (value & 0xf));
    }

    /// <summary>SMSW.</summary>
    public bool StoreStatusWord(in Instruction i) =>
        cpu.AllowedUnderUmip() && cpu.Operands.Write(i, 0, 2, i.Op0Kind == OpKind.Memory ? (ushort)_c->Cr0 : _c->Cr0);

    /// <summary>CLTS.</summary>
    public bool ClearTaskSwitched()
    {
        if (_c->Cpl != 0) return _vcpu.Raise(Vector.GeneralProtection, 0);
        _c->Cr0 &= ~Ts;
        _vcpu.UpdateMode();
        return true;
    }

    /// <summary>XSETBV.</summary>
    public bool SetExtended()
    {
        if ((_c->Cr4 & Osxsave) == 0) return _vcpu.Raise(Vector.InvalidOpcode);
        ulong value = (uint)_c->Gpr[GuestRegisters.Rax] | (_c->Gpr[GuestRegisters.Rdx] << 32);
        bool good = _c->Cpl == 0 && (uint)_c->Gpr[GuestRegisters.Rcx] == 0 && (value & 1) != 0 && (value & ~_vcpu.Cpuid.Table.XcrMask) == 0 && (value & 6) != 4;
        if (!good) return _vcpu.Raise(Vector.GeneralProtection, 0);
        _c->Xcr0 = value;
        _vcpu.UpdateMode();
        return true;
    }

    /// <summary>XGETBV: XCR0, or with ECX = 1 the components in use.</summary>
    public bool GetExtended()
    {
        if ((_c->Cr4 & Osxsave) == 0) return _vcpu.Raise(Vector.InvalidOpcode);
        uint index = (uint)_c->Gpr[GuestRegisters.Rcx];
        if (index > 1) return _vcpu.Raise(Vector.GeneralProtection, 0);
        _c->Gpr[GuestRegisters.Rax] = (uint)_c->Xcr0;
        _c->Gpr[GuestRegisters.Rdx] = (uint)(_c->Xcr0 >> 32);
        return true;
    }

    // Bits of CR4 that exist with a feature (Intel SDM 3A §2.5).
    private static ulong Cr4Of(FeatureSet features)
    {
        ulong known = Pce;
        foreach ((CpuFeature feature, ulong bits) in ((CpuFeature, ulong)[])
            [(CpuFeature.Vme, Vme | Pvi), (CpuFeature.Tsc, Tsd), (CpuFeature.De, De), (CpuFeature.Pse, Pse), (CpuFeature.Pae, Pae), (CpuFeature.Mce, Mce),
             (CpuFeature.Pge, Pge), (CpuFeature.Fxsr, Osfxsr), (CpuFeature.Sse, Osxmmexcpt), (CpuFeature.Umip, Umip), (CpuFeature.FsGsBase, FsGsBase),
             (CpuFeature.Pcid, Pcide), (CpuFeature.Xsave, Osxsave), (CpuFeature.Smep, Smep), (CpuFeature.Smap, Smap), (CpuFeature.Pku, Pke)])
            if (features[feature]) known |= bits;
        return known;
    }

    private bool Write(Register control, ulong value)
    {
        switch (control)
        {
            case Register.CR0: return (value >> 32) != 0 ? _vcpu.Raise(Vector.GeneralProtection, 0) : WriteCr0(value);
            case Register.CR2: _c->Cr2 = value; return true;
            case Register.CR3: return WriteCr3(value);
            case Register.CR4: return WriteCr4(value);
            default:
                if (value > 15) return _vcpu.Raise(Vector.GeneralProtection, 0);
                _vcpu.Apic.Cr8 = value;
                return true;
        }
    }

    private bool WriteCr0(ulong value)
    {
        ulong old = _c->Cr0;
        value = (value & (Pe | Mp | Em | Ts | Ne | Wp | Am | Nw | Cd | Pg)) | Et;
        bool bad = (value & (Pg | Pe)) == Pg || (value & (Nw | Cd)) == Nw;
        bool enable = (value & ~old & Pg) != 0, disable = (old & ~value & Pg) != 0;
        if (enable && (_c->Efer & EferLme) != 0)
            bad |= (_c->Cr4 & Pae) == 0 || ((_c->Segments[(int)Seg.Cs].Attributes & (1 << 13)) != 0);
        if (disable) bad |= cpu.IsLong64 || (_c->Cr4 & Pcide) != 0;
        if (bad) return _vcpu.Raise(Vector.GeneralProtection, 0);
        _c->Cr0 = value;
        if (enable && (_c->Efer & EferLme) != 0) _c->Efer |= EferLma;
        if (disable) _c->Efer &= ~EferLma;
        if (((old ^ value) & (Pg | Wp | Pe)) != 0) _vcpu.Contexts.FlushAll();
        _vcpu.UpdateMode();
        return true;
    }

    private bool WriteCr3(ulong value)
    {
        bool pcide = (_c->Cr4 & Pcide) != 0, keep = pcide && (value & NoFlush) != 0;
        if (pcide) value &= ~NoFlush;
        if (cpu.IsLongMode && (value >> _vcpu.PhysicalAddressBits) != 0) return _vcpu.Raise(Vector.GeneralProtection, 0);
        _c->Cr3 = value;
        cpu.SelectContext(keep);
        return true;
    }

    private bool WriteCr4(ulong value)
    {
        ulong old = _c->Cr4, changed = old ^ value;
        bool bad = (value & ~_cr4Known) != 0
            || (cpu.IsLongMode && (value & Pae) == 0)
            || ((value & ~old & Pcide) != 0 && (!cpu.IsLongMode || (_c->Cr3 & 0xfff) != 0));
        if (bad) return _vcpu.Raise(Vector.GeneralProtection, 0);
        _c->Cr4 = value;
        if ((changed & (Pge | Pae | Pse | Pcide | Smep | Smap | Pke)) != 0) _vcpu.Contexts.FlushAll();
        if ((changed & Pcide) != 0) cpu.SelectContext(keep: false);
        _vcpu.UpdateMode();
        return true;
    }
}
