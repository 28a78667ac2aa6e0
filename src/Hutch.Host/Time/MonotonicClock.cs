using System;
using System.Diagnostics;

namespace Hutch.Host.Time;

#pragma warning disable RS0030 // This is the clock that others take.

/// <summary>The host's clocks.</summary>
public sealed class MonotonicClock : IClock
{
    /// <summary>CLOCK_MONOTONIC: on Linux the runtime's timestamp is that clock, in nanoseconds, read without a system call.</summary>
    public long MonotonicNanoseconds => Stopwatch.GetTimestamp();

    /// <inheritdoc/>
    public DateTimeOffset UtcNow => DateTimeOffset.UtcNow;
}
