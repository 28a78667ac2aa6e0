using System;
using System.Numerics;
using System.Threading;

namespace Hutch.Cpu.Apic;

/// <summary>
/// 256 bits, one for each interrupt vector: the shape of IRR, ISR and TMR. Setting and clearing a bit are atomic and full fences;
/// any thread.
/// </summary>
internal sealed class VectorBits
{
    private readonly ulong[] _words = new ulong[4];

    /// <summary>Whether a vector's bit is set.</summary>
    public bool this[int vector] => (Volatile.Read(ref _words[vector >> 6]) >> (vector & 63) & 1) != 0;

    /// <summary>The highest set vector, or -1.</summary>
    public int Highest
    {
        get
        {
            for (int i = 3; i >= 0; i--)
            {
                ulong word = Volatile.Read(ref _words[i]);
                if (word != 0) return (i << 6) + 63 - BitOperations.LeadingZeroCount(word);
            }
            return -1;
        }
    }

    /// <summary>Sets a bit. True when it was clear.</summary>
    public bool Set(int vector)
    {
        ulong bit = 1UL << (vector & 63);
        return (Interlocked.Or(ref _words[vector >> 6], bit) & bit) == 0;
    }

    /// <summary>Clears a bit. True when it was set.</summary>
    public bool Clear(int vector)
    {
        ulong bit = 1UL << (vector & 63);
        return (Interlocked.And(ref _words[vector >> 6], ~bit) & bit) != 0;
    }

    /// <summary>Clears everything.</summary>
    public void Clear() => Array.Clear(_words);

    /// <summary>32 bits as a register holds them; <paramref name="index"/> 0 to 7.</summary>
    public uint GetRegister(int index) => (uint)(Volatile.Read(ref _words[index >> 1]) >> ((index & 1) << 5));

    /// <summary>Replaces 32 bits (only while the vCPU is stopped).</summary>
    public void SetRegister(int index, uint value)
    {
        int shift = (index & 1) << 5;
        ref ulong word = ref _words[index >> 1];
        word = (word & ~(0xffff_ffffUL << shift)) | ((ulong)value << shift);
    }
}
