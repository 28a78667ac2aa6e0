using System;
using System.Numerics;
using System.Runtime.InteropServices;
using System.Threading;
using Hutch.Core.State;

namespace Hutch.Devices.Virtio.Mem;

/// <summary>Which blocks are plugged in: a bit for each. One thread changes it; <see cref="PluggedCount"/> is for any.</summary>
/// <param name="count">Blocks that there are.</param>
internal sealed class BlockMap(int count)
{
    private readonly ulong[] _bits = new ulong[(count + 63) / 64];
    private int _plugged;

    /// <summary>Blocks that there are.</summary>
    internal int Count => count;

    /// <summary>Blocks that are plugged in.</summary>
    internal int PluggedCount => Volatile.Read(ref _plugged);

    /// <summary>Whether a block is plugged in.</summary>
    internal bool this[int block] => (_bits[block / 64] >> (block % 64) & 1) != 0;

    /// <summary>How many of a range are plugged in. The range is within the map.</summary>
    internal int CountIn(int first, int length)
    {
        int plugged = 0;
        for (int block = first; block < first + length; block++)
            if (this[block]) plugged++;
        return plugged;
    }

    /// <summary>Plugs a range in or takes it out, which is all in the other state.</summary>
    internal void Set(int first, int length, bool isPlugged)
    {
        for (int block = first; block < first + length; block++) _bits[block / 64] ^= 1UL << (block % 64);
        Volatile.Write(ref _plugged, _plugged + (isPlugged ? length : -length));
    }

    /// <summary>Takes all out.</summary>
    internal void Clear()
    {
        Array.Clear(_bits);
        Volatile.Write(ref _plugged, 0);
    }

    /// <summary>Saves or restores it.</summary>
    internal void Exchange(StateFields fields, string name)
    {
        fields.Bytes(name, MemoryMarshal.AsBytes(_bits.AsSpan()));
        fields.Require(count % 64 == 0 || _bits[^1] >> (count % 64) == 0, name);
        int plugged = 0;
        foreach (ulong word in _bits) plugged += BitOperations.PopCount(word);
        Volatile.Write(ref _plugged, plugged);
    }
}
