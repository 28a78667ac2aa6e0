using System;
using System.Collections.Generic;
using System.Threading;
using System.Threading.Tasks;

namespace Hutch.Block.Graph;

/// <summary>Keeps requests that overlap apart: who holds a range is alone in it; who waits gets it in the order of asking. Any thread; taking a free range takes no memory.</summary>
internal sealed class RangeLocks
{
    private readonly Lock _lock = new();
    private readonly List<Waiter> _waiters = [];

    // A free place has End 0: no range ends there.
    private (long Start, long End)[] _held = new (long, long)[16];

    /// <summary>Takes a range if nobody is in the way: its ticket for <see cref="Release"/>, or -1.</summary>
    internal int TryAcquire(long offset, long lengthBytes)
    {
        long end = offset + Math.Max(1, lengthBytes);
        lock (_lock) return IsFree(offset, end, _waiters.Count) ? Hold(offset, end) : -1;
    }

    /// <summary>Takes a range as soon as it is free. Gives its ticket for <see cref="Release"/>.</summary>
    internal ValueTask<int> AcquireAsync(long offset, long lengthBytes)
    {
        long end = offset + Math.Max(1, lengthBytes);
        lock (_lock)
        {
            if (IsFree(offset, end, _waiters.Count)) return new(Hold(offset, end));
            Waiter waiter = new(offset, end);
            _waiters.Add(waiter);
            return new(waiter.Turn.Task);
        }
    }

    /// <summary>Gives a range up.</summary>
    internal void Release(int ticket)
    {
        lock (_lock)
        {
            _held[ticket] = default;
            for (int i = 0; i < _waiters.Count;)
            {
                Waiter waiter = _waiters[i];
                if (!IsFree(waiter.Start, waiter.End, i))
                {
                    i++;
                    continue;
                }
                _waiters.RemoveAt(i);
                // It goes on on another thread, outside this lock.
                waiter.Turn.SetResult(Hold(waiter.Start, waiter.End));
            }
        }
    }

    private bool IsFree(long start, long end, int earlierWaiters)
    {
        foreach ((long Start, long End) held in _held)
            if (held.End > start && held.Start < end) return false;
        for (int i = 0; i < earlierWaiters; i++)
            if (_waiters[i].End > start && _waiters[i].Start < end) return false;
        return true;
    }

    private int Hold(long start, long end)
    {
        int place = Array.FindIndex(_held, static held => held.End == 0);
        if (place < 0)
        {
            place = _held.Length;
            Array.Resize(ref _held, place * 2);
        }
        _held[place] = (start, end);
        return place;
    }

    private sealed record Waiter(long Start, long End)
    {
        internal TaskCompletionSource<int> Turn { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }
}
