using System;
using System.Collections.Generic;
using System.Threading;
using System.Threading.Tasks;

namespace Hutch.Block.Tests;

/// <summary>Time that passes only when somebody waits: a step goes to the next timer that is due.</summary>
internal sealed class SimulatedTime : TimeProvider
{
    private readonly Lock _lock = new();
    private readonly PriorityQueue<SimulatedTimer, long> _timers = new();
    private long _ticks;

    /// <summary>Nobody steps: waiting takes no time, and the clock says that it did.</summary>
    internal bool PassesByItself { get; init; }

    internal TimeSpan Now => TimeSpan.FromTicks(GetTimestamp());

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    public override long GetTimestamp() => Volatile.Read(ref _ticks);

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        SimulatedTimer timer = new(callback, state);
        if (PassesByItself)
        {
            Advance(dueTime.TotalSeconds);
            _ = ThreadPool.UnsafeQueueUserWorkItem(static due => due.Fire(), timer, preferLocal: false);
            return timer;
        }
        lock (_lock) _timers.Enqueue(timer, GetTimestamp() + dueTime.Ticks);
        return timer;
    }

    internal void Advance(double seconds) => _ = Interlocked.Add(ref _ticks, TimeSpan.FromSeconds(seconds).Ticks + 1);

    // To the next timer that is due; the threads that it wakes need a moment where there is none.
    internal void Step()
    {
        SimulatedTimer? timer;
        lock (_lock)
        {
            if (!_timers.TryDequeue(out timer, out long due))
            {
                _ = Thread.Yield();
                return;
            }
            Volatile.Write(ref _ticks, Math.Max(_ticks, due));
        }
        timer.Fire();
    }
}

/// <summary>A timer of it.</summary>
internal sealed class SimulatedTimer(TimerCallback callback, object? state) : ITimer
{
    private bool _disposed;

    public bool Change(TimeSpan dueTime, TimeSpan period) => true;

    public void Dispose() => _disposed = true;

    public ValueTask DisposeAsync()
    {
        Dispose();
        return default;
    }

    internal void Fire()
    {
        if (!_disposed) callback(state);
    }
}
