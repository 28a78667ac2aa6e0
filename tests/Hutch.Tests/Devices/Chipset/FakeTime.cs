using System;
using System.Collections.Generic;
using Hutch.Host.Time;

namespace Hutch.Tests.Devices.Chipset;

/// <summary>Time that stands still until a test moves it; timers fire while it moves, in order.</summary>
internal sealed class FakeTime : ITimerService, IClock
{
    private readonly List<Timer> _timers = [];

    public IClock Clock => this;

    public long MonotonicNanoseconds { get; private set; } = 1_000_000_000;

    public DateTimeOffset UtcNow { get; private set; } = new(2024, 2, 28, 23, 59, 58, TimeSpan.Zero);

    public IHostTimer CreateTimer(string name, Action expired)
    {
        Timer timer = new(expired);
        _timers.Add(timer);
        return timer;
    }

    public void AdvanceTo(long nanoseconds) => Advance(nanoseconds - MonotonicNanoseconds);

    public void Advance(TimeSpan time) => Advance(time.Ticks * 100);

    public void Advance(long nanoseconds)
    {
        long end = MonotonicNanoseconds + nanoseconds;
        while (true)
        {
            Timer? next = null;
            foreach (Timer timer in _timers)
                if (timer.Deadline <= end && (next is null || timer.Deadline < next.Deadline)) next = timer;
            if (next is null) break;
            Move(Math.Max(next.Deadline, MonotonicNanoseconds));
            next.Deadline = long.MaxValue;
            next.Expired();
        }
        Move(end);
    }

    /// <summary>Moves time on without letting any timer run, as a late timer thread does.</summary>
    public void AdvanceWithoutTimers(long nanoseconds) => Move(MonotonicNanoseconds + nanoseconds);

    private void Move(long to)
    {
        _remainder += to - MonotonicNanoseconds;
        UtcNow = UtcNow.AddTicks(_remainder / 100);
        _remainder %= 100;
        MonotonicNanoseconds = to;
    }

    private long _remainder;

    private sealed class Timer(Action expired) : IHostTimer
    {
        public long Deadline { get; set; } = long.MaxValue;

        public Action Expired => expired;

        public void Arm(long deadlineNanoseconds) => Deadline = deadlineNanoseconds;

        public void Disarm() => Deadline = long.MaxValue;

        public void Dispose() => Disarm();
    }
}
