using System;
using System.Runtime.CompilerServices;
using Hutch.Cpu.State;
using Iced.Intel;

namespace Hutch.Cpu.Interpreter;

/// <summary>
/// MOVS, CMPS, STOS, LODS, SCAS, INS, OUTS with and without repeat prefixes. One call does a bounded part of a repetition, in blocks of host memory where
/// both operands lie in RAM and DF is clear; RIP goes back to the instruction while there is more to do.
/// </summary>
internal sealed unsafe class StringOps(Interpreter cpu)
{
    private const int MostElements = 4096;

    private readonly SoftVcpu _vcpu = cpu.Vcpu;
    private readonly VcpuContext* _c = cpu.Vcpu.Context;

    private enum Kind
    {
        Move, Compare, Store, Load, Scan, Input, Output,
    }

    /// <summary>One string instruction, taken apart.</summary>
    private struct Shape
    {
        public Kind Kind;
        public int Size;
        public bool Repeats, RepeatsWhileNotZero;
        public ulong Mask;
        public Seg Source;
    }

    /// <summary>Executes a string instruction or a part of its repetition. False: a fault is pending; iterations before it have taken effect.</summary>
    public bool Execute(in Instruction i)
    {
        Shape s = ShapeOf(i);
        if (s.Kind is Kind.Input or Kind.Output && !cpu.Ports.Allowed((ushort)_c->Gpr[GuestRegisters.Rdx], s.Size)) return false;
        if (!s.Repeats) return One(s, out _);
        ulong behind = _c->Rip, start = behind - (ulong)i.Length;
        ulong count = _c->Gpr[GuestRegisters.Rcx] & s.Mask;
        if (count == 0) return true;
        int budget = cpu.SingleStepping ? 1 : MostElements;
        while (count != 0 && budget > 0)
        {
            bool stop;
            int done = budget > 1 ? Block(s, count, budget, out stop) : Stopped(out stop);
            if (done == 0)
            {
                if (_vcpu.Fault.Raised || !One(s, out stop)) return false;
                done = 1;
            }
            count -= (ulong)done;
            budget -= done;
            GuestRegisters.WriteSized(_c, GuestRegisters.Rcx, SizeOf(s.Mask), count);
            if (stop) return true;
        }
        _c->Rip = count == 0 ? behind : cpu.IsLong64 ? start : (uint)start;
        return true;
    }

    private static int Stopped(out bool stop)
    {
        stop = false;
        return 0;
    }

    private static Shape ShapeOf(in Instruction i)
    {
        Shape s = default;
        (s.Kind, s.Size) = i.Mnemonic switch
        {
            Mnemonic.Movsb => (Kind.Move, 1), Mnemonic.Movsw => (Kind.Move, 2), Mnemonic.Movsd => (Kind.Move, 4), Mnemonic.Movsq => (Kind.Move, 8),
            Mnemonic.Cmpsb => (Kind.Compare, 1), Mnemonic.Cmpsw => (Kind.Compare, 2), Mnemonic.Cmpsd => (Kind.Compare, 4), Mnemonic.Cmpsq => (Kind.Compare, 8),
            Mnemonic.Stosb => (Kind.Store, 1), Mnemonic.Stosw => (Kind.Store, 2), Mnemonic.Stosd => (Kind.Store, 4), Mnemonic.Stosq => (Kind.Store, 8),
            Mnemonic.Lodsb => (Kind.Load, 1), Mnemonic.Lodsw => (Kind.Load, 2), Mnemonic.Lodsd => (Kind.Load, 4), Mnemonic.Lodsq => (Kind.Load, 8),
            Mnemonic.Scasb => (Kind.Scan, 1), Mnemonic.Scasw => (Kind.Scan, 2), Mnemonic.Scasd => (Kind.Scan, 4), Mnemonic.Scasq => (Kind.Scan, 8),
            Mnemonic.Insb => (Kind.Input, 1), Mnemonic.Insw => (Kind.Input, 2), Mnemonic.Insd => (Kind.Input, 4),
            Mnemonic.Outsb => (Kind.Output, 1), Mnemonic.Outsw => (Kind.Output, 2), _ => (Kind.Output, 4),
        };
        s.Repeats = i.HasRepePrefix || i.HasRepnePrefix;
        s.RepeatsWhileNotZero = i.HasRepnePrefix;
        s.Source = AddressComputer.DataSegment(i);
        for (int n = 0; n < i.OpCount; n++)
            s.Mask |= i.GetOpKind(n) switch
            {
                OpKind.MemorySegSI or OpKind.MemoryESDI => 0xffff,
                OpKind.MemorySegESI or OpKind.MemoryESEDI => 0xffff_ffff,
                OpKind.MemorySegRSI or OpKind.MemoryESRDI => ulong.MaxValue,
                _ => 0,
            };
        return s;
    }

    private static int SizeOf(ulong mask) => mask == 0xffff ? 2 : mask == 0xffff_ffff ? 4 : 8;

    private static bool UsesSource(Kind kind) => kind is Kind.Move or Kind.Compare or Kind.Load or Kind.Output;

    private static bool UsesTarget(Kind kind) => kind is Kind.Move or Kind.Compare or Kind.Store or Kind.Scan or Kind.Input;

    private void Advance(in Shape s, long elements)
    {
        ulong bytes = (ulong)(elements * s.Size * (_c->DirectionFlag != 0 ? -1 : 1));
        int width = SizeOf(s.Mask);
        if (UsesSource(s.Kind)) GuestRegisters.WriteSized(_c, GuestRegisters.Rsi, width, _c->Gpr[GuestRegisters.Rsi] + bytes);
        if (UsesTarget(s.Kind)) GuestRegisters.WriteSized(_c, GuestRegisters.Rdi, width, _c->Gpr[GuestRegisters.Rdi] + bytes);
    }

    private bool LinearSource(in Shape s, int bytes, out ulong linear) =>
        cpu.Addresses.Linear(s.Source, _c->Gpr[GuestRegisters.Rsi] & s.Mask, bytes, AccessKind.Read, out linear);

    private bool LinearTarget(in Shape s, int bytes, out ulong linear) =>
        cpu.Addresses.Linear(Seg.Es, _c->Gpr[GuestRegisters.Rdi] & s.Mask, bytes,
            s.Kind is Kind.Compare or Kind.Scan ? AccessKind.Read : AccessKind.Write, out linear);

    /// <summary>One iteration, through every check. <paramref name="stop"/>: REPE or REPNE ends here.</summary>
    private bool One(in Shape s, out bool stop)
    {
        stop = false;
        ulong source = 0, target = 0, value = 0, other = 0;
        if (UsesSource(s.Kind) && (!LinearSource(s, s.Size, out source) || !cpu.Operands.ReadMemory(source, s.Size, out value))) return false;
        if (UsesTarget(s.Kind) && !LinearTarget(s, s.Size, out target)) return false;
        switch (s.Kind)
        {
            case Kind.Move:
                if (!cpu.Operands.WriteMemory(target, s.Size, value)) return false;
                break;
            case Kind.Store:
                if (!cpu.Operands.WriteMemory(target, s.Size, _c->Gpr[0])) return false;
                break;
            case Kind.Load:
                GuestRegisters.WriteSized(_c, 0, s.Size, value);
                break;
            case Kind.Compare or Kind.Scan:
                if (!cpu.Operands.ReadMemory(target, s.Size, out other)) return false;
                stop = Compare(s, s.Kind == Kind.Scan ? _c->Gpr[0] : value, other);
                break;
            case Kind.Input:
                if (!_vcpu.Linear.ProbeWrite(target, s.Size, _vcpu.DataMode)) return false;
                value = cpu.Ports.Read((ushort)_c->Gpr[GuestRegisters.Rdx], s.Size);
                if (!cpu.Operands.WriteMemory(target, s.Size, value)) return false;
                break;
            default:
                cpu.Ports.Write((ushort)_c->Gpr[GuestRegisters.Rdx], s.Size, value);
                break;
        }
        Advance(s, 1);
        return true;
    }

    private bool Compare(in Shape s, ulong a, ulong b)
    {
        _c->ArithmeticFlags = AluFlags.Subtract(a, b, s.Size);
        return (_c->ArithmeticFlags & Flags.Zf) != 0 == s.RepeatsWhileNotZero;
    }

    /// <summary>Many iterations at once. 0: do one the careful way (or a fault is pending).</summary>
    private int Block(in Shape s, ulong count, int budget, out bool stop)
    {
        stop = false;
        if (_c->DirectionFlag != 0 || s.Kind is Kind.Input or Kind.Output or Kind.Load || _c->AlignmentCheck != 0 && _c->Cpl == 3) return 0;
        bool useSource = UsesSource(s.Kind);
        ulong room = Math.Min(count, (ulong)budget);
        room = Math.Min(room, RoomAt(s, GuestRegisters.Rdi, Seg.Es));
        if (useSource) room = Math.Min(room, RoomAt(s, GuestRegisters.Rsi, s.Source));
        if (room < 2) return 0;
        int elements = (int)room, bytes = elements * s.Size;
        byte* from = null;
        if (useSource && !PinSource(s, bytes, out from)) return 0;
        if (!LinearTarget(s, bytes, out ulong target)) return Retry();
        AccessKind kind = s.Kind is Kind.Compare or Kind.Scan ? AccessKind.Read : AccessKind.Write;
        if (!_vcpu.Linear.Pin(target, bytes, kind, _vcpu.DataMode, out byte* to)) return Retry();
        if (to == null || (useSource && from == null)) return 0;
        // SAFETY: both ranges were pinned: they lie in one page of RAM each.
        int done = elements;
        if (s.Kind == Kind.Move) Move(to, from, bytes, s.Size);
        else if (s.Kind == Kind.Store) Fill(to, elements, s.Size, _c->Gpr[0]);
        else done = Search(s, from, to, elements, out stop);
        Advance(s, done);
        return done;
    }

    // Faults of a block belong to some later element: the careful way finds out which.
    private int Retry()
    {
        _vcpu.ClearFault();
        return 0;
    }

    private bool PinSource(in Shape s, int bytes, out byte* from)
    {
        from = null;
        if (LinearSource(s, bytes, out ulong source) && _vcpu.Linear.Pin(source, bytes, AccessKind.Read, _vcpu.DataMode, out from)) return true;
        _vcpu.ClearFault();
        return false;
    }

    /// <summary>Whole elements from a pointer to the end of its page and of its address size.</summary>
    private ulong RoomAt(in Shape s, int register, Seg segment)
    {
        ulong offset = _c->Gpr[register] & s.Mask;
        ulong linear = offset + (!cpu.IsLong64 || segment >= Seg.Fs ? _c->Segments[(int)segment].Base : 0);
        ulong room = 4096 - (linear & 0xfff);
        if (s.Mask != ulong.MaxValue) room = Math.Min(room, s.Mask - offset + 1);
        return room / (ulong)s.Size;
    }

    private static void Move(byte* to, byte* from, int bytes, int size)
    {
        // An overlap that a forward copy would read back must be copied element by element, as the processor does.
        if (to <= from || to >= from + bytes) Buffer.MemoryCopy(from, to, bytes, bytes);
        else if (size == 1) for (int n = 0; n < bytes; n++) to[n] = from[n];
        else if (size == 2) for (int n = 0; n < bytes; n += 2) Unsafe.WriteUnaligned(to + n, Unsafe.ReadUnaligned<ushort>(from + n));
        else if (size == 4) for (int n = 0; n < bytes; n += 4) Unsafe.WriteUnaligned(to + n, Unsafe.ReadUnaligned<uint>(from + n));
        else for (int n = 0; n < bytes; n += 8) Unsafe.WriteUnaligned(to + n, Unsafe.ReadUnaligned<ulong>(from + n));
    }

    private static void Fill(byte* to, int elements, int size, ulong value)
    {
        if (size == 1) new Span<byte>(to, elements).Fill((byte)value);
        else if (size == 2) new Span<ushort>(to, elements).Fill((ushort)value);
        else if (size == 4) new Span<uint>(to, elements).Fill((uint)value);
        else new Span<ulong>(to, elements).Fill(value);
    }

    private int Search(in Shape s, byte* from, byte* to, int elements, out bool stop)
    {
        ulong mask = GuestRegisters.Mask(s.Size), a = _c->Gpr[0] & mask, b = 0;
        int n = 0;
        bool equal = false;
        do
        {
            if (from != null) a = ReadElement(from + n * s.Size, s.Size);
            b = ReadElement(to + n * s.Size, s.Size);
            equal = a == b;
            n++;
        }
        while (n < elements && equal != s.RepeatsWhileNotZero);
        stop = Compare(s, a, b);
        return n;
    }

    private static ulong ReadElement(byte* at, int size) => size switch
    {
        1 => *at, 2 => Unsafe.ReadUnaligned<ushort>(at), 4 => Unsafe.ReadUnaligned<uint>(at), _ => Unsafe.ReadUnaligned<ulong>(at),
    };
}
