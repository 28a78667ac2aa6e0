using System;
using System.Collections.Generic;
using Hutch.Host.Files;

namespace Hutch.Block.Graph;

/// <summary>
/// Native memory for requests that cannot be done in the caller's: what is encrypted, compressed or filled up. Kept for the next request; any thread.
/// </summary>
internal sealed class BounceBuffers : IDisposable
{
    /// <summary>The longest buffer in bytes.</summary>
    internal const int MaxBytes = 1 << 20;

    private const int SmallBytes = 64 * 1024, KeptOfEach = 16;

    private readonly Stack<BounceBuffer> _small = [], _large = [];
    private bool _disposed;

    /// <summary>A buffer of at least this length, at most <see cref="MaxBytes"/>, with anything in it. Goes back with <see cref="Return"/>.</summary>
    internal BounceBuffer Rent(int lengthBytes)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(lengthBytes, MaxBytes);
        Stack<BounceBuffer> kept = lengthBytes <= SmallBytes ? _small : _large;
        lock (kept)
        {
            if (kept.TryPop(out BounceBuffer? buffer)) return buffer;
        }
        return new BounceBuffer(lengthBytes <= SmallBytes ? SmallBytes : MaxBytes);
    }

    /// <summary>Takes a buffer back that no request uses any more.</summary>
    internal void Return(BounceBuffer buffer)
    {
        Stack<BounceBuffer> kept = buffer.Memory.LengthBytes == SmallBytes ? _small : _large;
        lock (kept)
        {
            if (!_disposed && kept.Count < KeptOfEach)
            {
                kept.Push(buffer);
                return;
            }
        }
        buffer.Memory.Dispose();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _disposed = true;
        foreach (Stack<BounceBuffer> kept in (ReadOnlySpan<Stack<BounceBuffer>>)[_small, _large])
        {
            lock (kept)
            {
                while (kept.TryPop(out BounceBuffer? buffer)) buffer.Memory.Dispose();
            }
        }
    }
}

/// <summary>A buffer of <see cref="BounceBuffers"/>, with the list that makes a vector of it without a new one for each request.</summary>
internal sealed class BounceBuffer(int lengthBytes)
{
    private readonly IoSegment[] _segment = new IoSegment[1];

    /// <summary>The memory.</summary>
    internal NativeBuffer Memory { get; } = new(lengthBytes);

    /// <summary>The first bytes as a vector; it is good until the next call.</summary>
    internal IoVector Vector(int lengthBytes)
    {
        _segment[0] = Memory.Segment(0, lengthBytes);
        return new IoVector(_segment);
    }
}
