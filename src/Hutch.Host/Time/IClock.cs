using System;

namespace Hutch.Host.Time;

/// <summary>Source of time. Production code takes it from its constructor so that tests can own time.</summary>
public interface IClock
{
    /// <summary>CLOCK_MONOTONIC in nanoseconds. Never goes back.</summary>
    long MonotonicNanoseconds { get; }

    /// <summary>Wall clock, UTC.</summary>
    DateTimeOffset UtcNow { get; }
}
