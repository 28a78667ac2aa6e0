using System;
using Hutch.Cpu.State;

namespace Hutch.Cpu.Interpreter.Host;

/// <summary>Whether DIV and IDIV would raise #DE (Intel SDM 2A, DIV and IDIV), decided before the host executes them.</summary>
internal static unsafe class DivideCheck
{
    /// <summary>True when the division has a quotient that fits.</summary>
    /// <param name="c">The dividend: AX, DX:AX, EDX:EAX or RDX:RAX.</param>
    /// <param name="signed">IDIV.</param>
    /// <param name="size">Operand size in bytes: 1, 2, 4 or 8.</param>
    /// <param name="divisor">The operand, in the low bytes.</param>
    public static bool Fits(VcpuContext* c, bool signed, int size, ulong divisor)
    {
        int bits = size * 8;
        ulong mask = ulong.MaxValue >> (64 - bits);
        divisor &= mask;
        if (divisor == 0) return false;
        ulong low = size == 1 ? (byte)c->Gpr[0] : c->Gpr[0] & mask;
        ulong high = size == 1 ? (byte)(c->Gpr[0] >> 8) : c->Gpr[2] & mask;
        if (!signed) return high < divisor;
        bool negative = (high >> (bits - 1) & 1) != 0, divisorNegative = (divisor >> (bits - 1) & 1) != 0;
        UInt128 magnitude = (UInt128)high << bits | low;
        if (negative) magnitude = (-magnitude) & (((UInt128)mask << bits) | mask);
        ulong by = divisorNegative ? (0 - divisor) & mask : divisor;
        ulong largest = (mask >> 1) + (negative != divisorNegative ? 1u : 0u);
        // quotient <= largest, without dividing: magnitude < (largest + 1) * by. The product has at most 127 bits.
        return magnitude < ((UInt128)largest + 1) * by;
    }
}
