using System;
using Hutch.Core.Engine;
using Hutch.Cpu.State;
using Iced.Intel;

namespace Hutch.Cpu.Interpreter;

/// <summary>IN and OUT, with IOPL and the TSS's permission bitmap (Intel SDM 1 §19.5).</summary>
internal sealed unsafe class Ports(Interpreter cpu)
{
    private const ulong Cr4De = 8;

    private readonly SoftVcpu _vcpu = cpu.Vcpu;
    private readonly VcpuContext* _c = cpu.Vcpu.Context;

    /// <summary>Executes IN or OUT. False: a fault is pending.</summary>
    public bool Execute(in Instruction i)
    {
        bool input = i.Mnemonic == Mnemonic.In;
        Register data = input ? i.Op0Register : i.Op1Register;
        ushort port = (input ? i.Op1Kind : i.Op0Kind) == OpKind.Register ? (ushort)_c->Gpr[GuestRegisters.Rdx] : i.Immediate8;
        int size = GuestRegisters.Size(data);
        if (!Allowed(port, size)) return false;
        if (input) GuestRegisters.Write(_c, data, Read(port, size));
        else Write(port, size, GuestRegisters.Read(_c, data));
        return true;
    }

    /// <summary>Whether the current privilege may use a port. False: #GP(0) or a page fault is pending.</summary>
    public bool Allowed(ushort port, int size)
    {
        if ((_c->Dr[7] & 0xff) != 0 && (_c->Cr4 & Cr4De) != 0) cpu.Debug.NotePort(port, size);
        if ((_c->Cr0 & 1) == 0) return true;
        bool vm = (_c->SystemFlags & Flags.Vm) != 0;
        if (!vm && _c->Cpl <= (int)(_c->SystemFlags >> 12 & 3)) return true;
        ref SegmentState tss = ref _c->Segments[(int)Seg.Tr];
        if ((tss.Attributes & 0x9d) != 0x89 || tss.Limit < 103) return _vcpu.Raise(Vector.GeneralProtection, 0);
        if (!_vcpu.Linear.ReadSystem(tss.Base + 0x66, out ushort bitmap)) return false;
        uint at = bitmap + ((uint)port >> 3);
        if (at + 1 > tss.Limit) return _vcpu.Raise(Vector.GeneralProtection, 0);
        if (!_vcpu.Linear.ReadSystem(tss.Base + at, out ushort bits)) return false;
        return (bits >> (port & 7) & ((1 << size) - 1)) == 0 || _vcpu.Raise(Vector.GeneralProtection, 0);
    }

    /// <summary>Reads a port of the machine.</summary>
    public ulong Read(ushort port, int size)
    {
        ulong value = 0;
        // SAFETY: size is at most 4.
        _vcpu.Exits.ReadPort(port, new Span<byte>(&value, size));
        return value;
    }

    /// <summary>Writes a port of the machine.</summary>
    public void Write(ushort port, int size, ulong value) => _vcpu.Exits.WritePort(port, new ReadOnlySpan<byte>(&value, size));
}
