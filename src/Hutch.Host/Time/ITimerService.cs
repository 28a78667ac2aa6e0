using System;

namespace Hutch.Host.Time;

/// <summary>Makes one-shot timers that all fire on one thread of the service.</summary>
public interface ITimerService
{
    /// <summary>The clock that deadlines are counted on.</summary>
    IClock Clock { get; }

    /// <summary>The host's clock, which never stands: for measuring, while <see cref="Clock"/> may be stopped.</summary>
    IClock HostClock => Clock;

    /// <summary>
    /// Creates a disarmed timer. <paramref name="expired"/> runs on the service's thread, must be short and must not throw.
    /// </summary>
    IHostTimer CreateTimer(string name, Action expired);
}

/// <summary>A one-shot timer. Arm and Disarm may be called from any thread, also from the timer's own callback.</summary>
public interface IHostTimer : IDisposable
{
    /// <summary>Fires once at <paramref name="deadlineNanoseconds"/> on <see cref="IClock.MonotonicNanoseconds"/>, at once if that is past. Replaces an earlier deadline.</summary>
    void Arm(long deadlineNanoseconds);

    /// <summary>Cancels. A callback that has already begun still completes.</summary>
    void Disarm();
}
