using System;
using System.Threading;
using Hutch.Host.Time;

namespace Hutch.Cpu.Paravirtual;

/// <summary>
/// The relation of one machine between the host's TSC and CLOCK_MONOTONIC, measured once. The first pair of readings is taken when the
/// machine is made, the second when the guest first asks for the frequency; both are good to some tens of nanoseconds,
/// so that the 10 ms that must at least lie between them make the frequency good to a few millionths, and the usual 50 ms to less than one.
/// After that the frequency never changes: a guest that was told one would not notice another. Any thread.
/// </summary>
internal sealed class TscClock
{
    private const long ShortestSpan = 10_000_000;

    // The reading of the narrowest of these many windows counts: one that no interrupt fell into.
    private const int Attempts = 16;

    private readonly Lock _lock = new();
    private readonly Func<ulong> _readTsc;
    private readonly IClock _clock;
    private readonly Reading _first;
    private ulong _khz;

    /// <param name="readTsc">The host's TSC.</param>
    /// <param name="clock">The host's clock.</param>
    public TscClock(Func<ulong> readTsc, IClock clock)
    {
        _readTsc = readTsc;
        _clock = clock;
        _first = Read();
        Reference = _first;
    }

    /// <summary>The TSC and the clock at the same moment.</summary>
    public readonly record struct Reading(ulong Tsc, long Nanoseconds);

    /// <summary>The pair from which kvm-clock counts: the machine's beginning.</summary>
    public Reading Reference { get; }

    /// <summary>Clock of the wall time and of the calibration.</summary>
    public IClock Clock => _clock;

    /// <summary>The host's TSC.</summary>
    public ulong ReadTsc() => _readTsc();

    /// <summary>Ticks per second / 1000, at least 1. The first caller may wait for up to 10 ms.</summary>
    public ulong Khz
    {
        get
        {
            ulong khz = Volatile.Read(ref _khz);
            return khz != 0 ? khz : Measure();
        }
    }

    /// <summary>Ticks to nanoseconds, rounded up, at most a quarter of <see cref="long.MaxValue"/>.</summary>
    public long TicksToNanoseconds(ulong ticks)
    {
        UInt128 nanoseconds = (((UInt128)ticks * 1_000_000) + Khz - 1) / Khz;
        return nanoseconds > long.MaxValue / 4 ? long.MaxValue / 4 : (long)nanoseconds;
    }

    private ulong Measure()
    {
        lock (_lock)
        {
            if (_khz != 0) return _khz;
            Reading second = Read();
            var spin = new SpinWait();
            while (second.Nanoseconds - _first.Nanoseconds < ShortestSpan)
            {
                spin.SpinOnce();
                second = Read();
            }
            ulong span = (ulong)(second.Nanoseconds - _first.Nanoseconds);
            ulong khz = (ulong)((((UInt128)(second.Tsc - _first.Tsc) * 1_000_000) + (span / 2)) / span);
            Volatile.Write(ref _khz, Math.Max(khz, 1));
            return _khz;
        }
    }

    private Reading Read()
    {
        ulong narrowest = ulong.MaxValue;
        Reading best = default;
        for (int i = 0; i < Attempts; i++)
        {
            ulong before = _readTsc();
            long now = _clock.MonotonicNanoseconds;
            ulong window = _readTsc() - before;
            if (window >= narrowest) continue;
            narrowest = window;
            best = new Reading(before + (window / 2), now);
        }
        return best;
    }
}
