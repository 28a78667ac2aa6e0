using System;
using Hutch.Core.State;

namespace Hutch.Devices.Serial;

/// <summary>The receiver's 16 bytes, or its one holding register. Not thread-safe.</summary>
internal sealed class ReceiveFifo
{
    private const int Size = 16;

    private readonly byte[] _bytes = new byte[Size];
    private int _head;

    /// <summary>Bytes waiting.</summary>
    public int Count { get; private set; }

    /// <summary>How many bytes fit: 16 with the FIFO on, 1 without.</summary>
    public int Capacity { get; set; } = 1;

    /// <summary>Room left.</summary>
    public int Room => Math.Max(0, Capacity - Count);

    /// <summary>Drops everything.</summary>
    public void Clear() => Count = 0;

    /// <summary>Saves or restores what waits, and the room.</summary>
    public void Exchange(StateFields fields)
    {
        int head = _head, count = Count, capacity = Capacity;
        fields.Bytes("bytes", _bytes);
        fields.Value("head", ref head, 0, Size - 1);
        fields.Value("count", ref count, 0, Size);
        fields.Value("capacity", ref capacity, 1, Size);
        (_head, Count, Capacity) = (head, count, capacity);
    }

    /// <summary>Adds a byte. There must be room.</summary>
    public void Add(byte value) => _bytes[(_head + Count++) % Size] = value;

    /// <summary>Takes the oldest byte; the last one read again when there is none, as the holding register does.</summary>
    public byte Take()
    {
        if (Count == 0) return _bytes[(_head + Size - 1) % Size];
        byte value = _bytes[_head];
        _head = (_head + 1) % Size;
        Count--;
        return value;
    }
}
