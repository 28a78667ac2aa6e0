using Hutch.Core.Engine;
using Hutch.Cpu.State;

namespace Hutch.Cpu.Interpreter;

/// <summary>
/// A stack pointer in motion: pushes and pops through it touch memory but not the vCPU's registers, so that an instruction can
/// still fault; <see cref="Pointer"/> is stored when it can no longer. Mutable struct: pass it by reference.
/// </summary>
internal struct StackCursor
{
    private const uint BigBit = 1 << 14;

    /// <summary>The stack segment (ignored in 64-bit mode).</summary>
    public SegmentState Segment;

    /// <summary>RSP as it would be stored.</summary>
    public ulong Pointer;

    /// <summary>Bits of RSP that take part: 16, 32 or all.</summary>
    public ulong Mask;

    /// <summary>Rights of the accesses.</summary>
    public AccessMode Mode;

    /// <summary>Error code of a #SS.</summary>
    public uint Error;

    private SoftVcpu _vcpu;

    /// <summary>The current stack, at the current privilege.</summary>
    public static unsafe StackCursor Current(SoftVcpu vcpu)
    {
        VcpuContext* c = vcpu.Context;
        return new StackCursor
        {
            _vcpu = vcpu,
            Segment = c->Segments[(int)Seg.Ss],
            Pointer = c->Gpr[GuestRegisters.Rsp],
            Mask = MaskOf(c->Mode),
            Mode = vcpu.DataMode,
        };
    }

    /// <summary>A stack that is about to become current. <paramref name="long64"/>: in 64-bit mode, where the segment does not matter.</summary>
    public static StackCursor Of(SoftVcpu vcpu, in SegmentState segment, ulong pointer, bool long64, AccessMode mode, uint error) => new()
    {
        _vcpu = vcpu,
        Segment = segment,
        Pointer = pointer,
        Mask = long64 ? ulong.MaxValue : (segment.Attributes & BigBit) != 0 ? 0xffff_ffff : 0xffff,
        Mode = mode,
        Error = error,
    };

    /// <summary>Stack address mask of a mode.</summary>
    public static ulong MaskOf(uint mode) =>
        (mode & (uint)BlockMode.Long64) != 0 ? ulong.MaxValue : (mode & (uint)BlockMode.Stack32) != 0 ? 0xffff_ffff : 0xffff;

    /// <summary>Moves the pointer by <paramref name="bytes"/>, wrapping as the stack does.</summary>
    public void Move(long bytes) => Pointer = (Mask == 0xffff_ffff ? 0 : Pointer & ~Mask) | ((Pointer + (ulong)bytes) & Mask);

    /// <summary>Pushes 2, 4 or 8 bytes. False: #SS or #PF is pending.</summary>
    public unsafe bool Push(ulong value, int size)
    {
        ulong offset = (Pointer - (ulong)size) & Mask;
        if (!Locate(offset, size, AccessKind.Write, out ulong linear) || !_vcpu.Linear.Write(linear, &value, size, Mode)) return false;
        Move(-size);
        return true;
    }

    /// <summary>Pops 2, 4 or 8 bytes, zero-extended. False: #SS or #PF is pending.</summary>
    public unsafe bool Pop(int size, out ulong value)
    {
        ulong local = 0;
        bool ok = Locate(Pointer & Mask, size, AccessKind.Read, out ulong linear) && _vcpu.Linear.Read(linear, &local, size, Mode);
        value = local;
        if (ok) Move(size);
        return ok;
    }

    /// <summary>Writes several values with one check; the first is at the lowest address. False: #SS or #PF is pending, nothing was written.</summary>
    public unsafe bool PushBlock(void* values, int bytes)
    {
        ulong offset = (Pointer - (ulong)bytes) & Mask;
        if (!Locate(offset, bytes, AccessKind.Write, out ulong linear) || !_vcpu.Linear.Write(linear, values, bytes, Mode)) return false;
        Move(-bytes);
        return true;
    }

    private readonly unsafe bool Locate(ulong offset, int size, AccessKind kind, out ulong linear)
    {
        VcpuContext* c = _vcpu.Context;
        if (Mask == ulong.MaxValue)
        {
            linear = offset;
            ulong last = offset + (ulong)size - 1;
            if ((ulong)((long)(offset << 16) >> 16) != offset || (ulong)((long)(last << 16) >> 16) != last) return _vcpu.Raise(Vector.StackFault, Error);
        }
        else
        {
            linear = (uint)(Segment.Base + offset);
            if (!AddressComputer.InLimit(Segment, (uint)offset, size)) return _vcpu.Raise(Vector.StackFault, Error);
        }
        if (c->AlignmentCheck != 0 && Mode == AccessMode.User && (c->Cr0 & (1 << 18)) != 0 && (linear & (ulong)(size - 1)) != 0)
            return _vcpu.Raise(Vector.AlignmentCheck, 0);
        if ((c->Dr[7] & 0xff) != 0) _vcpu.Interpreter.Addresses.NoteBreakpoints(linear, size, kind);
        return true;
    }
}
