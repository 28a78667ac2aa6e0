using Hutch.Core.Engine;
using Hutch.Cpu.State;
using Iced.Intel;

namespace Hutch.Cpu.Interpreter;

/// <summary>Loading segment registers by MOV, POP and LxS, and LAR, LSL, VERR, VERW, ARPL (Intel SDM 3A chapter 5).</summary>
internal sealed unsafe class Segments(Interpreter cpu)
{
    private const uint RealAttributes = 0x93, Vm86Attributes = 0xf3;

    private readonly SoftVcpu _vcpu = cpu.Vcpu;
    private readonly VcpuContext* _c = cpu.Vcpu.Context;

    /// <summary>Loads ES, SS, DS, FS or GS. The caller has checked that it is not CS. False: a fault is pending and nothing changed.</summary>
    public bool Load(Seg segment, int selector)
    {
        if (!cpu.IsProtected)
        {
            LoadReal(segment, selector);
            return true;
        }
        SegmentState loaded;
        if (segment == Seg.Ss)
        {
            if (!PrepareStack(selector, _c->Cpl, Vector.GeneralProtection, 0, out loaded)) return false;
        }
        else if (!PrepareData(selector, _c->Cpl, Vector.GeneralProtection, 0, out loaded)) return false;
        _c->Segments[(int)segment] = loaded;
        _vcpu.UpdateMode();
        return true;
    }

    /// <summary>Loads a segment register as real and virtual-8086 mode do. The caller updates the mode when CS changed.</summary>
    public void LoadReal(Seg segment, int selector)
    {
        ref SegmentState s = ref _c->Segments[(int)segment];
        s.Selector = (ushort)selector;
        s.Base = (ulong)(ushort)selector << 4;
        if ((_c->SystemFlags & Flags.Vm) != 0)
        {
            s.Limit = 0xffff;
            s.Attributes = Vm86Attributes;
        }
        else s.Attributes = (s.Attributes & 0xf000) | RealAttributes;
    }

    /// <summary>The state that a selector gives DS, ES, FS or GS at a privilege level. False: a fault is pending.</summary>
    public bool PrepareData(int selector, int cpl, Vector vector, uint ext, out SegmentState loaded)
    {
        if ((selector & 0xfffc) == 0)
        {
            loaded = Null(selector);
            return true;
        }
        loaded = default;
        if (!cpu.Descriptors.Read(selector, vector, ext, out Descriptor d)) return false;
        uint error = Descriptors.Error(selector, ext);
        if (!d.IsReadable || (!d.IsConforming && d.Dpl < System.Math.Max(selector & 3, cpl))) return _vcpu.Raise(vector, error);
        if (!d.Present) return _vcpu.Raise(Vector.SegmentNotPresent, error);
        if (!cpu.Descriptors.MarkAccessed(d)) return false;
        loaded = d.ToSegment(selector);
        return true;
    }

    /// <summary>
    /// The state that a selector gives SS at a privilege level. <paramref name="vector"/> is what bad descriptors raise (#GP, or #TS where the selector comes
    /// from a TSS); not present is always #SS. A null selector is good only in 64-bit mode below CPL 3 with RPL = CPL.
    /// </summary>
    public bool PrepareStack(int selector, int cpl, Vector vector, uint ext, out SegmentState loaded)
    {
        loaded = default;
        if ((selector & 0xfffc) == 0)
        {
            if (!cpu.IsLong64 || cpl == 3 || (selector & 3) != cpl) return _vcpu.Raise(vector, ext);
            loaded = NullStack(selector);
            return true;
        }
        if (!cpu.Descriptors.Read(selector, vector, ext, out Descriptor d)) return false;
        uint error = Descriptors.Error(selector, ext);
        if ((selector & 3) != cpl || !d.IsWritableData || d.Dpl != cpl) return _vcpu.Raise(vector, error);
        if (!d.Present) return _vcpu.Raise(Vector.StackFault, error);
        if (!cpu.Descriptors.MarkAccessed(d)) return false;
        loaded = d.ToSegment(selector);
        return true;
    }

    /// <summary>What a null selector leaves in a data segment register.</summary>
    public static SegmentState Null(int selector) => new() { Selector = (ushort)selector, Limit = 0xffff_ffff, Attributes = AddressComputer.NullBit };

    /// <summary>What a null selector leaves in SS: 64-bit code uses it for its DPL only.</summary>
    public static SegmentState NullStack(int selector) => new()
    {
        Selector = (ushort)selector, Limit = 0xffff_ffff, Attributes = AddressComputer.NullBit | 0xc093u | ((uint)(selector & 3) << 5),
    };

    /// <summary>On a return to an outer level: data segments that it may not use become null (Intel SDM 3A §5.8.6).</summary>
    public void DropInnerDataSegments(int cpl)
    {
        foreach (Seg segment in (System.ReadOnlySpan<Seg>)[Seg.Es, Seg.Ds, Seg.Fs, Seg.Gs])
        {
            ref SegmentState s = ref _c->Segments[(int)segment];
            bool conforming = (s.Attributes & 0x1c) == 0x1c;
            if ((s.Attributes & AddressComputer.NullBit) != 0 || conforming || (s.Attributes >> 5 & 3) >= cpl) continue;
            // The base stays: 64-bit code goes on using that of FS and GS.
            s.Selector = 0;
            s.Attributes |= AddressComputer.NullBit;
        }
    }

    /// <summary>LDS, LES, LFS, LGS, LSS.</summary>
    public bool LoadFarPointer(in Instruction i)
    {
        Seg segment = i.Mnemonic switch { Mnemonic.Les => Seg.Es, Mnemonic.Lss => Seg.Ss, Mnemonic.Lds => Seg.Ds, Mnemonic.Lfs => Seg.Fs, _ => Seg.Gs };
        int size = GuestRegisters.Size(i.Op0Register);
        if (!cpu.Addresses.Effective(i, 1, size + 2, AccessKind.Read, out ulong linear)
            || !cpu.Operands.ReadMemory(linear, size, out ulong offset)
            || !cpu.Operands.ReadMemory(_vcpu.WrapLinear(linear + (ulong)size), 2, out ulong selector)
            || !Load(segment, (int)selector)) return false;
        GuestRegisters.Write(_c, i.Op0Register, offset);
        return true;
    }

    /// <summary>MOV to a segment register.</summary>
    public bool MoveTo(in Instruction i)
    {
        Seg segment = GuestRegisters.Segment(i.Op0Register);
        if (segment == Seg.Cs) return _vcpu.Raise(Vector.InvalidOpcode);
        if (!cpu.Operands.Read(i, 1, 2, out ulong selector) || !Load(segment, (ushort)selector)) return false;
        if (segment == Seg.Ss) cpu.BeginShadow(stack: true);
        return true;
    }

    /// <summary>MOV from a segment register: a word in memory, zero-extended in a register.</summary>
    public bool MoveFrom(in Instruction i) => cpu.Operands.Write(i, 0, 2, _c->Segments[(int)GuestRegisters.Segment(i.Op1Register)].Selector);

    /// <summary>LAR, LSL, VERR, VERW.</summary>
    public bool Inspect(in Instruction i)
    {
        if (!cpu.IsProtected) return _vcpu.Raise(Vector.InvalidOpcode);
        bool verify = i.Mnemonic is Mnemonic.Verr or Mnemonic.Verw;
        if (!cpu.Operands.Read(i, verify ? 0 : 1, 2, out ulong selector)) return false;
        bool good = Visible((int)(ushort)selector, i.Mnemonic, out Descriptor d);
        if (cpu.FaultPending) return false;
        if (good && i.Mnemonic == Mnemonic.Lar) GuestRegisters.Write(_c, i.Op0Register, d.Raw >> 32 & 0x00ff_ff00);
        if (good && i.Mnemonic == Mnemonic.Lsl) GuestRegisters.Write(_c, i.Op0Register, d.Limit);
        _c->ArithmeticFlags = (_c->ArithmeticFlags & ~Flags.Zf) | (good ? Flags.Zf : 0);
        return true;
    }

    /// <summary>ARPL.</summary>
    public bool AdjustRpl(in Instruction i)
    {
        if (!cpu.IsProtected) return _vcpu.Raise(Vector.InvalidOpcode);
        ulong source = GuestRegisters.Read(_c, i.Op1Register);
        if (!cpu.Operands.Read(i, 0, 2, out ulong target)) return false;
        bool adjust = (target & 3) < (source & 3);
        if (adjust && !cpu.Operands.Write(i, 0, 2, (target & ~3UL) | (source & 3))) return false;
        _c->ArithmeticFlags = (_c->ArithmeticFlags & ~Flags.Zf) | (adjust ? Flags.Zf : 0);
        return true;
    }

    private bool Visible(int selector, Mnemonic what, out Descriptor d)
    {
        d = default;
        if ((selector & 0xfffc) == 0 || !cpu.Descriptors.TryRead(selector, 8, out _, out d)) return false;
        bool reachable = d.Dpl >= System.Math.Max(selector & 3, _c->Cpl);
        if (what == Mnemonic.Verw) return d.IsWritableData && reachable;
        if (what == Mnemonic.Verr) return d.IsReadable && (reachable || d.IsConforming);
        if (d.IsSegment) return reachable || d.IsConforming;
        bool lma = cpu.IsLongMode;
        bool known = d.Type switch
        {
            Descriptor.Ldt or Descriptor.Tss32 or Descriptor.BusyTss32 => true,
            Descriptor.Tss16 or Descriptor.BusyTss16 => !lma,
            Descriptor.CallGate16 or Descriptor.TaskGate => !lma && what == Mnemonic.Lar,
            Descriptor.CallGate32 => what == Mnemonic.Lar,
            _ => false,
        };
        return known && reachable;
    }
}
