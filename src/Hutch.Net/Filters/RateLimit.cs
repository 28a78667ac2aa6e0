using System;
using System.Threading;
using Hutch.Host.Time;
using Hutch.Model.Machine;

namespace Hutch.Net.Filters;

/// <summary>
/// How much may pass one way. A frame passes when time has paid for those before it, up to a burst in advance. Any thread.
/// </summary>
/// <param name="rate">The limit.</param>
/// <param name="clock">Time.</param>
internal sealed class RateLimit(NetRate rate, IClock clock)
{
    private const long Second = 1_000_000_000;

    private readonly Lock _lock = new();
    private readonly long _advance = rate.BurstBytes == 0 ? Second / 10 : (long)Math.Min((double)rate.BurstBytes * Second / rate.AverageBytes, long.MaxValue / 4);
    private long _paidAt;

    /// <summary>Milliseconds until a frame may pass, at least 1; 0: it may now.</summary>
    internal int WaitMs
    {
        get
        {
            lock (_lock)
            {
                long left = _paidAt - _advance - clock.MonotonicNanoseconds;
                return left <= 0 ? 0 : (int)Math.Min((left / 1_000_000) + 1, int.MaxValue);
            }
        }
    }

    /// <summary>A frame passed.</summary>
    internal void Charge(long bytes)
    {
        lock (_lock) _paidAt = Math.Max(_paidAt, clock.MonotonicNanoseconds) + (long)((double)bytes * Second / rate.AverageBytes);
    }
}
