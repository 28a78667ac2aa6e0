using System;

namespace Hutch.Cpu.Tests.Conformance;

/// <summary>Seeded random values that like the edges: small integers, powers of two, special floating-point numbers.</summary>
internal sealed class TestRandom(ulong seed)
{
    private ulong _state = seed * 0x9e37_79b9_7f4a_7c15 + 1;

    /// <summary>64 uniform bits.</summary>
    public ulong Next()
    {
        _state ^= _state << 13;
        _state ^= _state >> 7;
        _state ^= _state << 17;
        return _state * 0x2545_f491_4f6c_dd1d;
    }

    /// <summary>0 to <paramref name="bound"/> - 1.</summary>
    public int Below(int bound) => (int)((Next() >> 33) % (ulong)bound);

    /// <summary>True <paramref name="percent"/> times of 100.</summary>
    public bool Chance(int percent) => Below(100) < percent;

    /// <summary>An integer worth trying.</summary>
    public ulong Integer() => Below(8) switch
    {
        0 => (ulong)Below(256),
        1 => (ulong)-Below(256),
        2 => 1UL << Below(64),
        3 => (1UL << Below(64)) - 1,
        4 => Next() >> Below(64),
        5 => (ulong)((long)Next() >> Below(64)),
        _ => Next(),
    };

    /// <summary>Fills with bytes that make sense as integers or numbers of one width.</summary>
    public void Fill(Span<byte> bytes)
    {
        int kind = Below(6);
        for (int at = 0; at + 8 <= bytes.Length; at += 8)
        {
            ulong value = kind switch
            {
                0 => Next(),
                1 => Integer(),
                2 => Single() | (ulong)Single() << 32,
                3 => Double(),
                4 => (Next() & 0x8080_8080_8080_8080) + (uint)Below(128),
                _ => (uint)Below(200) + ((ulong)(uint)-Below(200) << 32),
            };
            BitConverter.TryWriteBytes(bytes[at..], value);
        }
    }

    /// <summary>The bits of a single.</summary>
    public uint Single() => Below(8) switch
    {
        0 => (uint)Below(2) << 31,
        1 => 0x7f80_0000 | (uint)Below(2) << 31,
        2 => 0x7fc0_0000 | (uint)Below(100),
        3 => 0x7f80_0001 + (uint)Below(100),
        4 => (uint)Next() & 0x807f_ffff,
        5 => BitConverter.SingleToUInt32Bits(Below(2000) - 1000),
        6 => BitConverter.SingleToUInt32Bits((float)(Next() / 1e19 * 100)),
        _ => (uint)Next(),
    };

    /// <summary>The bits of a double.</summary>
    public ulong Double() => Below(8) switch
    {
        0 => (ulong)Below(2) << 63,
        1 => 0x7ff0_0000_0000_0000 | (ulong)Below(2) << 63,
        2 => 0x7ff8_0000_0000_0000UL + (uint)Below(100),
        3 => 0x7ff0_0000_0000_0001 + (ulong)Below(100),
        4 => Next() & 0x800f_ffff_ffff_ffff,
        5 => BitConverter.DoubleToUInt64Bits(Below(2000) - 1000),
        6 => BitConverter.DoubleToUInt64Bits(Next() / 1e19 * 100),
        _ => Next(),
    };

    /// <summary>Writes an 80-bit number: mostly a proper one, now and then any bits.</summary>
    public void Extended(Span<byte> ten)
    {
        ulong significand = Next() | 1UL << 63;
        int exponent = Below(10) switch { 0 => 0, 1 => 0x7fff, 2 => Below(0x8000), _ => 0x3fff - 40 + Below(80) };
        if (exponent == 0) significand = Chance(50) ? 0 : significand & ~(1UL << 63);
        if (exponent == 0x7fff && Chance(50)) significand = 1UL << 63;
        if (Chance(5)) significand = Next();
        BitConverter.TryWriteBytes(ten, significand);
        BitConverter.TryWriteBytes(ten[8..], (ushort)(exponent + Below(2) * 0x8000));
    }
}
