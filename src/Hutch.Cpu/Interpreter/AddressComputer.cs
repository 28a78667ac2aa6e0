using Hutch.Core.Engine;
using Hutch.Cpu.State;
using Iced.Intel;

namespace Hutch.Cpu.Interpreter;

/// <summary>Effective and linear addresses of memory operands, with every check that comes before paging (Intel SDM 3A §5.3, §5.5; SDM 1 §3.3.7).</summary>
internal sealed unsafe class AddressComputer(SoftVcpu vcpu)
{
    /// <summary>Bit of <see cref="SegmentState.Attributes"/>: a null selector was loaded.</summary>
    public const uint NullBit = 1 << 16;

    private const ulong Cr0Am = 1 << 18;
    private const uint BigBit = 1 << 14;

    private readonly VcpuContext* _c = vcpu.Context;

    /// <summary>DR6 bits of data breakpoints that accesses of the current instruction hit.</summary>
    public ulong BreakpointHits { get; set; }

    /// <summary>
    /// Linear address of a memory operand of <paramref name="size"/> bytes. <paramref name="operand"/> names it, or is -1 for the instruction's
    /// ordinary (ModRM) memory operand. False: #GP, #SS or #AC is pending.
    /// </summary>
    public bool Effective(in Instruction i, int operand, int size, AccessKind kind, out ulong linear)
    {
        OpKind form = operand < 0 ? OpKind.Memory : i.GetOpKind(operand);
        switch (form)
        {
            case OpKind.MemorySegSI: return Linear(DataSegment(i), (ushort)_c->Gpr[GuestRegisters.Rsi], size, kind, out linear);
            case OpKind.MemorySegESI: return Linear(DataSegment(i), (uint)_c->Gpr[GuestRegisters.Rsi], size, kind, out linear);
            case OpKind.MemorySegRSI: return Linear(DataSegment(i), _c->Gpr[GuestRegisters.Rsi], size, kind, out linear);
            case OpKind.MemorySegDI: return Linear(DataSegment(i), (ushort)_c->Gpr[GuestRegisters.Rdi], size, kind, out linear);
            case OpKind.MemorySegEDI: return Linear(DataSegment(i), (uint)_c->Gpr[GuestRegisters.Rdi], size, kind, out linear);
            case OpKind.MemorySegRDI: return Linear(DataSegment(i), _c->Gpr[GuestRegisters.Rdi], size, kind, out linear);
            case OpKind.MemoryESDI: return Linear(Seg.Es, (ushort)_c->Gpr[GuestRegisters.Rdi], size, kind, out linear);
            case OpKind.MemoryESEDI: return Linear(Seg.Es, (uint)_c->Gpr[GuestRegisters.Rdi], size, kind, out linear);
            case OpKind.MemoryESRDI: return Linear(Seg.Es, _c->Gpr[GuestRegisters.Rdi], size, kind, out linear);
            default: return Linear(DataSegment(i), Offset(i), size, kind, out linear);
        }
    }

    /// <summary>The segment that a memory operand is in, overrides included.</summary>
    public static Seg DataSegment(in Instruction i)
    {
        Register segment = i.MemorySegment;
        return segment == Register.None ? Seg.Ds : GuestRegisters.Segment(segment);
    }

    /// <summary>The offset (effective address) of a ModRM or moffs operand, wrapped to the address size.</summary>
    public ulong Offset(in Instruction i)
    {
        Register b = i.MemoryBase, x = i.MemoryIndex;
        ulong offset = i.MemoryDisplacement64;
        if (b == Register.RIP) return offset;
        if (b == Register.EIP) return (uint)offset;
        if (b != Register.None) offset += GuestRegisters.Read(_c, b);
        if (x != Register.None) offset += GuestRegisters.Read(_c, x) * (ulong)i.MemoryIndexScale;
        return offset & AddressMask(i);
    }

    /// <summary>Mask of the address size of a ModRM or moffs operand.</summary>
    public static ulong AddressMask(in Instruction i)
    {
        Register b = i.MemoryBase;
        int size = GuestRegisters.Size(b == Register.None ? i.MemoryIndex : b);
        if (size == 0) size = i.MemoryDisplSize;
        return size switch { 8 => ulong.MaxValue, 2 => 0xffff, 4 => 0xffff_ffff, _ => ulong.MaxValue };
    }

    /// <summary>Linear address of <paramref name="size"/> bytes at an offset of a segment. False: a fault is pending.</summary>
    public bool Linear(Seg segment, ulong offset, int size, AccessKind kind, out ulong linear)
    {
        ref SegmentState s = ref _c->Segments[(int)segment];
        if ((_c->Mode & (uint)BlockMode.Long64) != 0)
        {
            linear = segment >= Seg.Fs ? s.Base + offset : offset;
            if (!IsCanonical(linear) || !IsCanonical(linear + (ulong)size - 1)) return Reject(segment);
        }
        else
        {
            linear = (uint)(s.Base + (uint)offset);
            if (!InLimit(s, (uint)offset, size) || !TypeAllows(s, kind)) return Reject(segment);
        }
        if (_c->AlignmentCheck != 0 && Misaligned(linear, size)) return vcpu.Raise(Vector.AlignmentCheck, 0);
        if ((_c->Dr[7] & 0xff) != 0) NoteBreakpoints(linear, size, kind);
        return true;
    }

    /// <summary>Whether [offset, offset + size) lies in a segment, expand-down ones included (Intel SDM 3A §5.3).</summary>
    public static bool InLimit(in SegmentState s, uint offset, int size)
    {
        ulong last = (ulong)offset + (uint)size - 1;
        if ((s.Attributes & 0x1c) != 0x14) return last <= s.Limit;
        uint top = (s.Attributes & BigBit) != 0 ? 0xffff_ffff : 0xffffu;
        return offset > s.Limit && last <= top;
    }

    private static bool IsCanonical(ulong linear) => (ulong)((long)(linear << 16) >> 16) == linear;

    private bool TypeAllows(in SegmentState s, AccessKind kind)
    {
        if ((_c->Mode & (uint)BlockMode.Protected) == 0) return true;
        if ((s.Attributes & NullBit) != 0) return false;
        bool code = (s.Attributes & 8) != 0;
        if (kind == AccessKind.Write) return !code && (s.Attributes & 2) != 0;
        return !code || (s.Attributes & 2) != 0;
    }

    private bool Reject(Seg segment) => vcpu.Raise(segment == Seg.Ss ? Vector.StackFault : Vector.GeneralProtection, 0);

    private bool Misaligned(ulong linear, int size)
    {
        if (_c->Cpl != 3 || (_c->Cr0 & Cr0Am) == 0) return false;
        // Operands that are not a power of two (10-byte reals, far pointers) are checked by their largest part.
        int unit = size switch { 6 => 4, 10 => 8, 1 or 2 or 4 or 8 => size, _ => 1 };
        return (linear & (ulong)(unit - 1)) != 0;
    }

    /// <summary>Looks for data breakpoints on an access; called when some breakpoint is enabled.</summary>
    public void NoteBreakpoints(ulong linear, int size, AccessKind kind)
    {
        ulong dr7 = _c->Dr[7];
        for (int n = 0; n < 4; n++)
        {
            if ((dr7 >> (n * 2) & 3) == 0) continue;
            int type = (int)(dr7 >> (16 + n * 4)) & 3;
            if (type != 3 && !(type == 1 && kind == AccessKind.Write)) continue;
            ulong length = Debugging.BreakpointLength(dr7, n);
            ulong start = _c->Dr[n] & ~(length - 1);
            if (linear < start + length && start < linear + (ulong)size) BreakpointHits |= 1UL << n;
        }
    }
}
