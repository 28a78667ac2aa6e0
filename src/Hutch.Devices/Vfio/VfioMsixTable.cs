using System;
using System.Buffers.Binary;
using System.Threading;
using Hutch.Core.Interrupts;

namespace Hutch.Devices.Vfio;

/// <summary>
/// The table of MSI-X of a device of the host (PCI Express Base 5.0 §7.7.2): the guest's, whose messages are of its own APICs; the host has another in the device. Any thread.
/// </summary>
internal sealed class VfioMsixTable
{
    /// <summary>Vectors that a guest gets of a device that has more: each takes an event of this process.</summary>
    internal const int MostVectors = 256;

    private const int EntryBytes = 16, ControlWord = 3;
    private const ulong PageBytes = 4096;

    private readonly Lock _lock = new();
    private readonly uint[] _words;
    private Action<int>? _changed;

    /// <summary>Makes it, with every vector masked.</summary>
    /// <param name="bar">The BAR that it is in.</param>
    /// <param name="start">Where in that.</param>
    /// <param name="vectors">Its vectors.</param>
    internal VfioMsixTable(int bar, ulong start, int vectors)
    {
        (Bar, Start, Vectors) = (bar, start, vectors);
        _words = new uint[vectors * (ControlWord + 1)];
        Reset();
    }

    /// <summary>The BAR that it is in.</summary>
    internal int Bar { get; }

    /// <summary>How many vectors there are.</summary>
    internal int Vectors { get; }

    /// <summary>The pages of the BAR that are not to be mapped.</summary>
    internal (ulong Start, ulong End) Pages => (Start & ~(PageBytes - 1), (End + (PageBytes - 1)) & ~(PageBytes - 1));

    private ulong Start { get; }

    private ulong End => Start + (ulong)(Vectors * EntryBytes);

    /// <summary>From now on the call tells which vector the guest has written. Once.</summary>
    internal void Observe(Action<int> changed) => _changed = changed;

    /// <summary>Every vector masked.</summary>
    internal void Reset()
    {
        lock (_lock)
        {
            Array.Clear(_words);
            for (int i = ControlWord; i < _words.Length; i += ControlWord + 1) _words[i] = 1;
        }
    }

    /// <summary>A vector's message; null: it is masked.</summary>
    internal MsiMessage? MessageOf(int vector)
    {
        lock (_lock)
        {
            ReadOnlySpan<uint> entry = _words.AsSpan(vector * (ControlWord + 1), ControlWord + 1);
            return (entry[ControlWord] & 1) != 0 ? null : new MsiMessage((entry[0] & ~3u) | ((ulong)entry[1] << 32), entry[2]);
        }
    }

    /// <summary>Whether an access is to the table and to nothing else.</summary>
    internal bool Holds(ulong offset, int length) => offset >= Start && offset < End && (ulong)length <= End - offset;

    /// <summary>Whether some of an access is to the table.</summary>
    internal bool Touches(ulong offset, int length) => offset < End && offset + (ulong)length > Start;

    /// <summary>Reads words of it; offsets are those of the BAR.</summary>
    internal void Read(ulong offset, Span<byte> data)
    {
        Span<byte> word = stackalloc byte[sizeof(uint)];
        lock (_lock)
            for (int i = 0; i < data.Length; i++)
            {
                int at = (int)(offset - Start) + i;
                BinaryPrimitives.WriteUInt32LittleEndian(word, _words[at / sizeof(uint)]);
                data[i] = word[at % sizeof(uint)];
            }
    }

    /// <summary>Writes one word of it or two; others are not legal (§6.1.4.2) and do nothing.</summary>
    internal void Write(ulong offset, ReadOnlySpan<byte> data)
    {
        if (data.Length is not (4 or 8) || (offset - Start) % sizeof(uint) != 0) return;
        int first = (int)(offset - Start) / sizeof(uint), last = first + (data.Length / sizeof(uint)) - 1;
        lock (_lock)
            for (int i = first; i <= last; i++)
            {
                uint value = BinaryPrimitives.ReadUInt32LittleEndian(data[((i - first) * sizeof(uint))..]);
                _words[i] = i % (ControlWord + 1) == ControlWord ? value & 1 : value;
            }
        for (int vector = first / (ControlWord + 1); vector <= last / (ControlWord + 1); vector++) _changed?.Invoke(vector);
    }
}
