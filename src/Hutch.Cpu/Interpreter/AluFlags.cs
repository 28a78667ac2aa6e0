using System.Numerics;
using Hutch.Cpu.State;
using Iced.Intel;

namespace Hutch.Cpu.Interpreter;

/// <summary>Arithmetic flags computed in software, for the few instructions that the host does not execute for us.</summary>
internal static class AluFlags
{
    /// <summary>Whether a condition of Jcc holds (Intel SDM 1 appendix B).</summary>
    public static bool Holds(ConditionCode condition, ulong f)
    {
        bool cf = (f & Flags.Cf) != 0, zf = (f & Flags.Zf) != 0, sf = (f & Flags.Sf) != 0, of = (f & Flags.Of) != 0;
        return condition switch
        {
            ConditionCode.o => of,
            ConditionCode.no => !of,
            ConditionCode.b => cf,
            ConditionCode.ae => !cf,
            ConditionCode.e => zf,
            ConditionCode.ne => !zf,
            ConditionCode.be => cf || zf,
            ConditionCode.a => !cf && !zf,
            ConditionCode.s => sf,
            ConditionCode.ns => !sf,
            ConditionCode.p => (f & Flags.Pf) != 0,
            ConditionCode.np => (f & Flags.Pf) == 0,
            ConditionCode.l => sf != of,
            ConditionCode.ge => sf == of,
            ConditionCode.le => zf || sf != of,
            ConditionCode.g => !zf && sf == of,
            _ => true,
        };
    }

    /// <summary>Flags of a - b for operands of <paramref name="size"/> bytes.</summary>
    public static ulong Subtract(ulong a, ulong b, int size)
    {
        ulong mask = GuestRegisters.Mask(size), sign = (mask >> 1) + 1;
        a &= mask;
        b &= mask;
        ulong r = (a - b) & mask;
        ulong flags = Result(r, size);
        if (a < b) flags |= Flags.Cf;
        if (((a ^ b) & (a ^ r) & sign) != 0) flags |= Flags.Of;
        return flags | ((a ^ b ^ r) & Flags.Af);
    }

    /// <summary>SF, ZF and PF of a result of <paramref name="size"/> bytes.</summary>
    public static ulong Result(ulong r, int size)
    {
        ulong mask = GuestRegisters.Mask(size);
        ulong flags = (BitOperations.PopCount((byte)r) & 1) == 0 ? Flags.Pf : 0;
        if ((r & mask) == 0) flags |= Flags.Zf;
        if ((r & ((mask >> 1) + 1)) != 0) flags |= Flags.Sf;
        return flags;
    }
}
