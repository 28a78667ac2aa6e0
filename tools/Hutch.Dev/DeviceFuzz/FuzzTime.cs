using System;
using System.Collections.Generic;
using System.Threading;
using Hutch.Host.Time;

namespace Hutch.Dev.DeviceFuzz;

/// <summary>Time that moves when the story says so. Timers fire on the thread that moves it, in order; any thread may arm them.</summary>
internal sealed class FuzzTime : ITimerService, IClock
{
    // A timer that is due again at once would hold time for ever; a host's timers are late then.
    private const int MostExpiries = 1000;

    private readonly Lock _lock = new();
    private readonly List<Timer> _timers = [];
    private long _now = 1_000_000_000;

    /// <inheritdoc/>
    public IClock Clock => this;

    /// <inheritdoc/>
    public long MonotonicNanoseconds { get { lock (_lock) return _now; } }

    /// <inheritdoc/>
    public DateTimeOffset UtcNow => new DateTimeOffset(2024, 2, 28, 23, 59, 58, TimeSpan.Zero).AddTicks(MonotonicNanoseconds / 100);

    /// <inheritdoc/>
    public IHostTimer CreateTimer(string name, Action expired)
    {
        Timer timer = new(this, expired);
        lock (_lock) _timers.Add(timer);
        return timer;
    }

    /// <summary>Moves time on.</summary>
    internal void Advance(long nanoseconds)
    {
        long end = MonotonicNanoseconds + nanoseconds;
        for (int expiries = 0; expiries < MostExpiries && TakeNext(end) is { } timer; expiries++) timer.Expired();
        lock (_lock) _now = end;
    }

    private Timer? TakeNext(long end)
    {
        lock (_lock)
        {
            Timer? next = null;
            foreach (Timer timer in _timers)
                if (timer.Deadline <= end && (next is null || timer.Deadline < next.Deadline)) next = timer;
            if (next is null) return null;
            _now = Math.Max(next.Deadline, _now);
            next.Deadline = long.MaxValue;
            return next;
        }
    }

    private sealed class Timer(FuzzTime time, Action expired) : IHostTimer
    {
        internal long Deadline { get; set; } = long.MaxValue;

        internal Action Expired => expired;

        public void Arm(long deadlineNanoseconds)
        {
            lock (time._lock) Deadline = deadlineNanoseconds;
        }

        public void Disarm() => Arm(long.MaxValue);

        public void Dispose() => Disarm();
    }
}
