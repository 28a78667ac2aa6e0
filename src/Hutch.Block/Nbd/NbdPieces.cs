using System;
using System.Collections.Generic;
using System.Threading;
using Hutch.Host.Files;

namespace Hutch.Block.Nbd;

/// <summary>Memory that the requests of one connection use again and again. It is not cleared in between: what is left in it is that client's own.</summary>
internal sealed class NbdPieces : IDisposable
{
    /// <summary>The largest piece.</summary>
    internal const int LargeBytes = 1 << 20;

    private const int SmallBytes = 64 * 1024, MostSmall = 16, MostLarge = 8;

    private readonly Lock _lock = new();
    private readonly Stack<NativeBuffer> _small = new(), _large = new();

    /// <summary>A piece of at least so many bytes, which are at most <see cref="LargeBytes"/>.</summary>
    internal NativeBuffer Take(int lengthBytes)
    {
        bool small = lengthBytes <= SmallBytes;
        lock (_lock)
            if ((small ? _small : _large).TryPop(out NativeBuffer? piece)) return piece;
        return new NativeBuffer(small ? SmallBytes : LargeBytes);
    }

    /// <summary>Takes a piece back.</summary>
    internal void Give(NativeBuffer piece)
    {
        bool small = piece.LengthBytes == SmallBytes;
        lock (_lock)
        {
            Stack<NativeBuffer> spare = small ? _small : _large;
            if (spare.Count < (small ? MostSmall : MostLarge))
            {
                spare.Push(piece);
                return;
            }
        }
        piece.Dispose();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (_lock)
        {
            foreach (NativeBuffer piece in _small) piece.Dispose();
            foreach (NativeBuffer piece in _large) piece.Dispose();
            _small.Clear();
            _large.Clear();
        }
    }
}
