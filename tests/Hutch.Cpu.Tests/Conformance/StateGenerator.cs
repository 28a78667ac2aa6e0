using System;

namespace Hutch.Cpu.Tests.Conformance;

/// <summary>Random register state for a vector.</summary>
internal static class StateGenerator
{
    private const ulong Interrupts = 0x202, Arithmetic = 0x8d5, Direction = 0x400, Alignment = 0x4_0000;

    /// <summary>Fills everything but the instruction, RIP and memory.</summary>
    /// <param name="random">Source.</param>
    /// <param name="vector">Target.</param>
    /// <param name="strict">Some floating-point exceptions may be unmasked or pending.</param>
    public static void Fill(TestRandom random, TestVector vector, bool strict)
    {
        for (int n = 0; n < 16; n++) vector.Gpr[n] = vector.Bitness == 64 ? random.Integer() : (uint)random.Integer();
        vector.Gpr[4] = OracleLayout.Data + 0x1000 + (ulong)(random.Below(256) * 8) - (random.Chance(5) ? 3u : 0u);
        vector.Flags = Interrupts | (random.Next() & Arithmetic);
        if (random.Chance(20)) vector.Flags |= Direction;
        if (random.Chance(2)) vector.Flags |= Alignment;
        for (int n = 0; n < 16; n++)
        {
            random.Fill(vector.Legacy.AsSpan(160 + n * 16, 16));
            random.Fill(vector.YmmHigh.AsSpan(n * 16, 16));
        }
        FillX87(random, vector.Legacy, strict && random.Chance(30));
        uint mxcsr = 0x1f80u | (uint)random.Below(64) | (uint)random.Below(4) << 13;
        if (random.Chance(10)) mxcsr |= 0x8040u & (uint)random.Next();
        if (strict && random.Chance(30)) mxcsr &= ~((uint)random.Next() & 0x1f80);
        BitConverter.TryWriteBytes(vector.Legacy.AsSpan(24), mxcsr);
    }

    private static void FillX87(TestRandom random, Span<byte> legacy, bool unmasked)
    {
        legacy[..24].Clear();
        legacy[28..160].Clear();
        ushort control = (ushort)(0x7f | random.Below(4) << 10);
        control |= random.Below(4) switch { 0 => (ushort)0, 1 => (ushort)0x200, _ => (ushort)0x300 };
        if (unmasked) control &= (ushort)~random.Below(64);
        int top = random.Below(8);
        int status = top << 11 | (int)(random.Next() & 0x4700) | random.Below(64);
        // Flags of unmasked exceptions mean that one is pending; mostly there is none.
        int pending = status & ~control & 0x3f;
        if (pending != 0 && !random.Chance(20))
        {
            status &= ~pending;
            pending = 0;
        }
        if (pending != 0) status |= 0x8080;
        BitConverter.TryWriteBytes(legacy, control);
        BitConverter.TryWriteBytes(legacy[2..], (ushort)status);
        legacy[4] = random.Below(4) switch { 0 => (byte)0xff, 1 => (byte)0, _ => (byte)random.Next() };
        for (int n = 0; n < 8; n++) random.Extended(legacy.Slice(32 + n * 16, 10));
    }
}
