using System;
using System.Collections.Generic;
using Hutch.Host.Time;

namespace Hutch.Cpu.Tests.Apic;

/// <summary>Time that stands still until a test moves it; timers fire inside <see cref="Advance"/>.</summary>
internal sealed class FakeTimers : ITimerService, IClock
{
    private readonly List<FakeTimer> _timers = [];

    public IClock Clock => this;

    public long MonotonicNanoseconds { get; private set; } = 1_000_000_000;

    public DateTimeOffset UtcNow { get; set; } = new(2026, 11, 21, 2, 0, 0, TimeSpan.Zero);

    public IHostTimer CreateTimer(string name, Action expired)
    {
        var timer = new FakeTimer(expired);
        _timers.Add(timer);
        return timer;
    }

    public int Armed => _timers.FindAll(t => t.Deadline is not null).Count;

    public void Advance(long nanoseconds)
    {
        long end = MonotonicNanoseconds + nanoseconds;
        while (true)
        {
            FakeTimer? next = null;
            foreach (FakeTimer timer in _timers)
                if (timer.Deadline <= end && (next is null || timer.Deadline < next.Deadline)) next = timer;
            if (next is null) break;
            MonotonicNanoseconds = Math.Max(MonotonicNanoseconds, next.Deadline!.Value);
            next.Deadline = null;
            next.Expired();
        }
        MonotonicNanoseconds = end;
    }

    private sealed class FakeTimer(Action expired) : IHostTimer
    {
        public long? Deadline { get; set; }

        public Action Expired => expired;

        public void Arm(long deadlineNanoseconds) => Deadline = deadlineNanoseconds;

        public void Disarm() => Deadline = null;

        public void Dispose() => Deadline = null;
    }
}
