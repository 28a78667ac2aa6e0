using Hutch.Core.Engine;
using Hutch.Cpu.State;
using Iced.Intel;

namespace Hutch.Cpu.Interpreter;

/// <summary>Descriptor table registers, cache and TLB control, FS and GS bases: the rest of the system instructions.</summary>
internal sealed unsafe class SystemTables(Interpreter cpu)
{
    private const ulong Cr4FsGsBase = 1 << 16, Cr4Pcide = 1 << 17;

    private readonly SoftVcpu _vcpu = cpu.Vcpu;
    private readonly VcpuContext* _c = cpu.Vcpu.Context;

    /// <summary>Executes one system instruction. False: a fault is pending.</summary>
    public bool Execute(in Instruction i)
    {
        switch (i.Mnemonic)
        {
            case Mnemonic.Lgdt or Mnemonic.Lidt: return LoadTable(i);
            case Mnemonic.Sgdt: return StoreTable(i, _c->Gdtr);
            case Mnemonic.Sidt: return StoreTable(i, _c->Idtr);
            case Mnemonic.Sldt or Mnemonic.Str: return StoreSelector(i);
            case Mnemonic.Lldt: return LoadLdt(i);
            case Mnemonic.Ltr: return LoadTask(i);
            case Mnemonic.Invlpg: return Invalidate(i);
            case Mnemonic.Invpcid: return InvalidateContexts(i);
            case Mnemonic.Invd or Mnemonic.Wbinvd or Mnemonic.Wbnoinvd: return Privileged();
            case Mnemonic.Swapgs: return SwapGs();
            default: return BaseRegister(i);
        }
    }

    private bool Privileged() => _c->Cpl == 0 || _vcpu.Raise(Vector.GeneralProtection, 0);

    private bool LoadTable(in Instruction i)
    {
        if (!Privileged()) return false;
        bool wide = i.Code is Code.Lgdt_m1664 or Code.Lidt_m1664;
        int size = wide ? 8 : 4;
        if (!cpu.Addresses.Effective(i, 0, size + 2, AccessKind.Read, out ulong linear)
            || !cpu.Operands.ReadMemory(linear, 2, out ulong limit)
            || !cpu.Operands.ReadMemory(_vcpu.WrapLinear(linear + 2), size, out ulong start)) return false;
        if (i.Code is Code.Lgdt_m1632_16 or Code.Lidt_m1632_16) start &= 0xff_ffff;
        if (wide && !cpu.IsCanonical(start)) return _vcpu.Raise(Vector.GeneralProtection, 0);
        var table = new TableState { Base = start, Limit = (ushort)limit };
        if (i.Mnemonic == Mnemonic.Lgdt) _c->Gdtr = table;
        else _c->Idtr = table;
        return true;
    }

    private bool StoreTable(in Instruction i, TableState table)
    {
        if (!cpu.AllowedUnderUmip()) return false;
        int size = i.Code is Code.Sgdt_m1664 or Code.Sidt_m1664 ? 8 : 4;
        if (!cpu.Addresses.Effective(i, 0, size + 2, AccessKind.Write, out ulong linear)) return false;
        byte* image = stackalloc byte[10];
        *(ushort*)image = table.Limit;
        *(ulong*)(image + 2) = table.Base;
        // SAFETY: at most the ten bytes of the image are read.
        return _vcpu.Linear.Write(linear, image, size + 2, _vcpu.DataMode);
    }

    private bool StoreSelector(in Instruction i)
    {
        if (!cpu.IsProtected) return _vcpu.Raise(Vector.InvalidOpcode);
        return cpu.AllowedUnderUmip() && cpu.Operands.Write(i, 0, 2, _c->Segments[(int)(i.Mnemonic == Mnemonic.Str ? Seg.Tr : Seg.Ldtr)].Selector);
    }

    private bool ReadSystemDescriptor(in Instruction i, out int selector, out Descriptor d, out ulong upper)
    {
        d = default;
        upper = 0;
        selector = 0;
        if (!cpu.IsProtected) return _vcpu.Raise(Vector.InvalidOpcode);
        if (!Privileged() || !cpu.Operands.Read(i, 0, 2, out ulong value)) return false;
        selector = (ushort)value;
        if ((selector & 0xfffc) == 0) return true;
        uint error = Descriptors.Error(selector, 0);
        if ((selector & 4) != 0) return _vcpu.Raise(Vector.GeneralProtection, error);
        int bytes = cpu.IsLongMode ? 16 : 8;
        if (!cpu.Descriptors.TryRead(selector, bytes, out bool outside, out d)) return outside && _vcpu.Raise(Vector.GeneralProtection, error);
        return bytes == 8 || cpu.Descriptors.ReadUpper(d, out upper);
    }

    private bool LoadLdt(in Instruction i)
    {
        if (!ReadSystemDescriptor(i, out int selector, out Descriptor d, out ulong upper)) return false;
        if ((selector & 0xfffc) == 0)
        {
            _c->Segments[(int)Seg.Ldtr] = Segments.Null(selector);
            return true;
        }
        uint error = Descriptors.Error(selector, 0);
        if (d.IsSegment || d.Type != Descriptor.Ldt || !UpperIsGood(d, upper)) return _vcpu.Raise(Vector.GeneralProtection, error);
        if (!d.Present) return _vcpu.Raise(Vector.SegmentNotPresent, error);
        SegmentState s = d.ToSegment(selector);
        s.Base |= upper << 32;
        _c->Segments[(int)Seg.Ldtr] = s;
        return true;
    }

    private bool LoadTask(in Instruction i)
    {
        if (!ReadSystemDescriptor(i, out int selector, out Descriptor d, out ulong upper)) return false;
        if ((selector & 0xfffc) == 0) return _vcpu.Raise(Vector.GeneralProtection, 0);
        uint error = Descriptors.Error(selector, 0);
        bool available = d.Type == Descriptor.Tss32 || (d.Type == Descriptor.Tss16 && !cpu.IsLongMode);
        if (d.IsSegment || !available || !UpperIsGood(d, upper)) return _vcpu.Raise(Vector.GeneralProtection, error);
        if (!d.Present) return _vcpu.Raise(Vector.SegmentNotPresent, error);
        if (!cpu.Descriptors.SetBusy(d, busy: true)) return false;
        SegmentState s = d.ToSegment(selector);
        s.Attributes |= 2;
        s.Base |= upper << 32;
        _c->Segments[(int)Seg.Tr] = s;
        return true;
    }

    private bool UpperIsGood(in Descriptor d, ulong upper) => (upper >> 40 & 0x1f) == 0 && (!cpu.IsLongMode || cpu.IsCanonical(d.Base | (upper << 32)));

    private bool Invalidate(in Instruction i)
    {
        if (!Privileged()) return false;
        ulong offset = cpu.Addresses.Offset(i);
        Seg segment = AddressComputer.DataSegment(i);
        ulong linear = cpu.IsLong64 ? offset + (segment >= Seg.Fs ? _c->Segments[(int)segment].Base : 0) : (uint)(offset + _c->Segments[(int)segment].Base);
        if (!cpu.IsLong64 || cpu.IsCanonical(linear)) _vcpu.Contexts.InvalidatePage(linear);
        return true;
    }

    private bool InvalidateContexts(in Instruction i)
    {
        if (!Privileged()) return false;
        ulong type = GuestRegisters.Read(_c, i.Op0Register);
        if (!cpu.Addresses.Effective(i, 1, 16, AccessKind.Read, out ulong linear)
            || !cpu.Operands.ReadMemory(linear, 8, out ulong pcid)
            || !cpu.Operands.ReadMemory(_vcpu.WrapLinear(linear + 8), 8, out ulong address)) return false;
        bool usesPcid = type < 2;
        bool bad = type > 3 || (pcid & ~0xfffUL) != 0 || (usesPcid && pcid != 0 && (_c->Cr4 & Cr4Pcide) == 0) || (type == 0 && !cpu.IsCanonical(address));
        if (bad) return _vcpu.Raise(Vector.GeneralProtection, 0);
        if (type == 0) _vcpu.Contexts.InvalidatePage(address);
        else if (type == 1) _vcpu.Contexts.FlushPcid(pcid);
        else if (type == 2) _vcpu.Contexts.FlushAll();
        else _vcpu.Contexts.FlushAllLocal();
        return true;
    }

    private bool SwapGs()
    {
        if (!cpu.IsLong64) return _vcpu.Raise(Vector.InvalidOpcode);
        if (!Privileged()) return false;
        ref SegmentState gs = ref _c->Segments[(int)Seg.Gs];
        (gs.Base, _c->KernelGsBase) = (_c->KernelGsBase, gs.Base);
        return true;
    }

    /// <summary>RDFSBASE, RDGSBASE, WRFSBASE, WRGSBASE.</summary>
    private bool BaseRegister(in Instruction i)
    {
        if (!cpu.IsLong64 || (_c->Cr4 & Cr4FsGsBase) == 0) return _vcpu.Raise(Vector.InvalidOpcode);
        ref SegmentState segment = ref _c->Segments[(int)(i.Mnemonic is Mnemonic.Rdfsbase or Mnemonic.Wrfsbase ? Seg.Fs : Seg.Gs)];
        if (i.Mnemonic is Mnemonic.Rdfsbase or Mnemonic.Rdgsbase)
        {
            GuestRegisters.Write(_c, i.Op0Register, segment.Base);
            return true;
        }
        ulong value = GuestRegisters.Read(_c, i.Op0Register);
        if (!cpu.IsCanonical(value)) return _vcpu.Raise(Vector.GeneralProtection, 0);
        segment.Base = value;
        return true;
    }
}
