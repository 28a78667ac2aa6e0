using System;
using System.Collections.Concurrent;
using System.Numerics;
using Hutch.Host.Files;

namespace Hutch.Block.Formats.Qcow2;

/// <summary>Native memory for use and reuse, by powers of two. Any thread. What is not given back is freed by its finalizer.</summary>
internal sealed class BufferPool : IDisposable
{
    private const int MinBits = 12, MaxBits = 24, KeepBytes = 8 << 20;

    private readonly ConcurrentBag<NativeBuffer>[] _free = new ConcurrentBag<NativeBuffer>[MaxBits + 1];

    /// <summary>Makes an empty pool.</summary>
    internal BufferPool()
    {
        for (int i = MinBits; i <= MaxBits; i++) _free[i] = [];
    }

    /// <summary>Takes a buffer of at least so many bytes, with any content.</summary>
    internal NativeBuffer Rent(long lengthBytes)
    {
        int bits = Math.Max(MinBits, 64 - BitOperations.LeadingZeroCount((ulong)lengthBytes - 1));
        if (bits > MaxBits) return new NativeBuffer(checked((int)lengthBytes));
        return _free[bits].TryTake(out NativeBuffer? buffer) ? buffer : new NativeBuffer(1 << bits);
    }

    /// <summary>Gives a buffer back.</summary>
    internal void Return(NativeBuffer buffer)
    {
        int bits = BitOperations.Log2((uint)buffer.LengthBytes);
        if (bits > MaxBits || 1 << bits != buffer.LengthBytes || (long)_free[bits].Count << bits >= KeepBytes) buffer.Dispose();
        else _free[bits].Add(buffer);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (ConcurrentBag<NativeBuffer>? bag in _free)
            while (bag is not null && bag.TryTake(out NativeBuffer? buffer)) buffer.Dispose();
    }
}
