using Hutch.Cpu.State;
using Iced.Intel;

namespace Hutch.Cpu.Interpreter;

/// <summary>Instructions that 64-bit mode has not: decimal adjustment, BOUND, SALC.</summary>
internal sealed unsafe class DecimalOps(Interpreter cpu)
{
    private readonly SoftVcpu _vcpu = cpu.Vcpu;
    private readonly VcpuContext* _c = cpu.Vcpu.Context;

    private byte Al { get => (byte)_c->Gpr[0]; set => GuestRegisters.Write(_c, Register.AL, value); }

    private byte Ah { get => (byte)(_c->Gpr[0] >> 8); set => GuestRegisters.Write(_c, Register.AH, value); }

    /// <summary>Executes one of them. False: a fault is pending.</summary>
    public bool Execute(in Instruction i)
    {
        switch (i.Mnemonic)
        {
            case Mnemonic.Aaa: return AdjustUnpacked(0x106);
            case Mnemonic.Aas: return AdjustUnpacked(-0x106);
            case Mnemonic.Daa: return AdjustPacked(add: true);
            case Mnemonic.Das: return AdjustPacked(add: false);
            case Mnemonic.Aam:
                if (i.Immediate8 == 0) return _vcpu.Raise(Vector.DivideError);
                Ah = (byte)(Al / i.Immediate8);
                Al = (byte)(Al % i.Immediate8);
                _c->ArithmeticFlags = AluFlags.Result(Al, 1);
                return true;
            case Mnemonic.Aad:
                Al = (byte)(Al + Ah * i.Immediate8);
                Ah = 0;
                _c->ArithmeticFlags = AluFlags.Result(Al, 1);
                return true;
            case Mnemonic.Salc:
                Al = (_c->ArithmeticFlags & Flags.Cf) != 0 ? (byte)0xff : (byte)0;
                return true;
            default: return Bound(i);
        }
    }

    private bool AdjustUnpacked(int adjustment)
    {
        ulong flags = _c->ArithmeticFlags;
        bool adjust = (Al & 15) > 9 || (flags & Flags.Af) != 0;
        if (adjust) GuestRegisters.Write(_c, Register.AX, _c->Gpr[0] + (ulong)(long)adjustment);
        Al &= 15;
        _c->ArithmeticFlags = AluFlags.Result(Al, 1) | (adjust ? Flags.Af | Flags.Cf : 0);
        return true;
    }

    private bool AdjustPacked(bool add)
    {
        ulong flags = _c->ArithmeticFlags;
        byte old = Al;
        int sign = add ? 1 : -1;
        bool carry = (flags & Flags.Cf) != 0, low = (old & 15) > 9 || (flags & Flags.Af) != 0, high = old > 0x99 || carry;
        bool carryOut = high || (low && (add ? old + 6 > 0xff : old < 6));
        if (low) Al = (byte)(Al + sign * 6);
        if (high) Al = (byte)(Al + sign * 0x60);
        // DAA reports only the high adjustment; DAS also a borrow of the low one.
        if (add) carryOut = high;
        _c->ArithmeticFlags = AluFlags.Result(Al, 1) | (low ? Flags.Af : 0) | (carryOut ? Flags.Cf : 0);
        return true;
    }

    private bool Bound(in Instruction i)
    {
        int size = GuestRegisters.Size(i.Op0Register);
        if (!cpu.Addresses.Effective(i, 1, size * 2, AccessKind.Read, out ulong linear)
            || !cpu.Operands.ReadMemory(linear, size, out ulong lower)
            || !cpu.Operands.ReadMemory(_vcpu.WrapLinear(linear + (ulong)size), size, out ulong upper)) return false;
        ulong index = GuestRegisters.Read(_c, i.Op0Register);
        bool inside = size == 2
            ? (short)index >= (short)lower && (short)index <= (short)upper
            : (int)index >= (int)lower && (int)index <= (int)upper;
        return inside || _vcpu.Raise(Vector.BoundRange);
    }
}
