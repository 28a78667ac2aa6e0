using System;
using System.Threading;
using Hutch.Core.Engine;
using Hutch.Core.State;
using Hutch.Host.Time;

namespace Hutch.Cpu.Paravirtual;

/// <summary>
/// The relation of one machine between the host's TSC and CLOCK_MONOTONIC, measured once. The first pair of readings is taken when the
/// machine is made, the second when the guest first asks for the frequency; both are good to some tens of nanoseconds,
/// so that the 10 ms that must at least lie between them make the frequency good to a few millionths, and the usual 50 ms to less than one. Both are
/// readings of the host's own clock: the machine's stands while it is paused, and the TSC does not.
/// After that the frequency never changes, but that a restored machine keeps the one it was told. Any thread.
/// </summary>
internal sealed class TscClock
{
    private const long ShortestSpan = 10_000_000;

    // The reading of the narrowest of these many windows counts: one that no interrupt fell into.
    private const int Attempts = 16;

    private readonly Lock _lock = new();
    private readonly Func<ulong> _readTsc;
    private readonly IClock _clock, _host;
    private readonly Reading _first;
    private volatile Start _start;
    private ulong _khz;

    /// <param name="readTsc">The host's TSC.</param>
    /// <param name="clock">The machine's clock, which may stand.</param>
    /// <param name="host">The host's clock.</param>
    public TscClock(Func<ulong> readTsc, IClock clock, IClock host)
    {
        _readTsc = readTsc;
        _clock = clock;
        _host = host;
        _first = Read(host);
        Reading start = Read(clock);
        _start = new Start(start.Tsc, start.Nanoseconds, 0);
    }

    /// <summary>The TSC and the clock at the same moment.</summary>
    public readonly record struct Reading(ulong Tsc, long Nanoseconds);

    /// <summary>Where kvm-clock counts from: at the host's <paramref name="Tsc"/> and <paramref name="Nanoseconds"/> it stood at <paramref name="GuestNanoseconds"/>.</summary>
    public sealed record Start(ulong Tsc, long Nanoseconds, ulong GuestNanoseconds);

    /// <summary>The machine's beginning, or when it last went on after a pause.</summary>
    public Start Reference => _start;

    /// <summary>kvm-clock at a reading of the host's TSC, by the arithmetic that guests use.</summary>
    public ulong GuestNanosecondsAt(ulong hostTsc)
    {
        Start start = _start;
        (uint multiplier, sbyte shift) = KvmClock.Scale(Khz);
        UInt128 ticks = hostTsc - start.Tsc;
        ticks = shift < 0 ? ticks >> -shift : ticks << shift;
        return start.GuestNanoseconds + (ulong)((ticks * multiplier) >> 32);
    }

    /// <summary>
    /// Lets kvm-clock go on from <paramref name="guestNanoseconds"/> now, with the frequency that the guest was told before. Returns the host's TSC now.
    /// Throws <see cref="StateException"/> when this host's TSC has another frequency. No vCPU runs.
    /// </summary>
    public ulong GoOn(ulong guestNanoseconds, ulong khz)
    {
        ulong own = Khz;
        if (!MachineClock.IsFrequencyOf(own, khz))
            throw new StateException($"The guest's time stamp counter runs at {khz} kHz and this host's at {own} kHz, which the software engine cannot change; use a host like the first.");
        Volatile.Write(ref _khz, khz);
        Reading now = Read(_clock);
        _start = new Start(now.Tsc, now.Nanoseconds, guestNanoseconds);
        return now.Tsc;
    }

    /// <summary>The machine's clock, which has the wall time too.</summary>
    public IClock Clock => _clock;

    /// <summary>The host's TSC.</summary>
    public ulong ReadTsc() => _readTsc();

    /// <summary>The host's TSC and the wall time at one moment, as near as a few tries come.</summary>
    public (ulong Tsc, DateTimeOffset Wall) ReadWall() => Narrowest(_clock, static clock => clock.UtcNow);

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
            Reading second = Read(_host);
            var spin = new SpinWait();
            while (second.Nanoseconds - _first.Nanoseconds < ShortestSpan)
            {
                spin.SpinOnce();
                second = Read(_host);
            }
            ulong span = (ulong)(second.Nanoseconds - _first.Nanoseconds);
            ulong khz = (ulong)((((UInt128)(second.Tsc - _first.Tsc) * 1_000_000) + (span / 2)) / span);
            Volatile.Write(ref _khz, Math.Max(khz, 1));
            return _khz;
        }
    }

    private Reading Read(IClock clock)
    {
        (ulong tsc, long nanoseconds) = Narrowest(clock, static clock => clock.MonotonicNanoseconds);
        return new Reading(tsc, nanoseconds);
    }

    // The TSC in the middle of the shortest of some readings, and what was read.
    private (ulong Tsc, T Read) Narrowest<T>(IClock clock, Func<IClock, T> read) where T : struct
    {
        ulong narrowest = ulong.MaxValue;
        (ulong, T) best = default;
        for (int i = 0; i < Attempts; i++)
        {
            ulong before = _readTsc();
            T now = read(clock);
            ulong window = _readTsc() - before;
            if (window >= narrowest) continue;
            narrowest = window;
            best = (before + (window / 2), now);
        }
        return best;
    }
}
