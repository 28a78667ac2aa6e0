using System;
using System.Collections.Generic;
using System.Threading;

namespace Hutch.Host.Time;

/// <summary>
/// Timers on a clock that can be stopped: while it stands, no time passes on it and no timer fires; afterwards every timer has as long to go as it had.
/// The wall clock does not stop. Stopping and starting is one thread's affair; everything else is any thread's.
/// </summary>
public sealed class PausableTimers : ITimerService, IClock, IDisposable
{
    private readonly ITimerService _host;
    private readonly Lock _lock = new();
    private readonly List<PausableTimer> _timers = [];

    // This clock is the host's plus _shift while it runs, and _standing while it stands.
    private long _shift, _standing;
    private bool _stopped;
    private int _firing;

    /// <summary>Begins running, with the host's time.</summary>
    public PausableTimers(ITimerService host) => _host = host;

    /// <inheritdoc/>
    public IClock Clock => this;

    /// <inheritdoc/>
    public IClock HostClock => _host.HostClock;

    /// <inheritdoc/>
    public long MonotonicNanoseconds => IsStopped ? Volatile.Read(ref _standing) : _host.Clock.MonotonicNanoseconds + Volatile.Read(ref _shift);

    /// <inheritdoc/>
    public DateTimeOffset UtcNow => _host.Clock.UtcNow;

    internal bool IsStopped => Volatile.Read(ref _stopped);

    /// <inheritdoc/>
    public IHostTimer CreateTimer(string name, Action expired)
    {
        PausableTimer timer = new(this, expired);
        timer.Bind(_host.CreateTimer(name, timer.OnHostExpired));
        lock (_lock) _timers.Add(timer);
        return timer;
    }

    /// <summary>Stops the clock; returns when no callback runs any more. Not from a callback.</summary>
    public void Stop()
    {
        if (_stopped) return;
        Volatile.Write(ref _standing, MonotonicNanoseconds);
        Volatile.Write(ref _stopped, true);
        Interlocked.MemoryBarrier();
        lock (_lock)
            foreach (PausableTimer timer in _timers) timer.Hold();
        SpinWait spin = default;
        while (Volatile.Read(ref _firing) != 0) spin.SpinOnce();
    }

    /// <summary>Lets the clock go on from where it stands.</summary>
    public void Start()
    {
        if (!_stopped) return;
        Volatile.Write(ref _shift, _standing - _host.Clock.MonotonicNanoseconds);
        Volatile.Write(ref _stopped, false);
        lock (_lock)
            foreach (PausableTimer timer in _timers) timer.GoOn();
    }

    /// <summary>Sets the clock while it stands: a saved machine's time.</summary>
    public void SetTime(long nanoseconds)
    {
        if (!_stopped) throw new InvalidOperationException("A clock that runs cannot be set.");
        Volatile.Write(ref _standing, nanoseconds);
    }

    /// <summary>Disposes the timers that are left.</summary>
    public void Dispose()
    {
        PausableTimer[] left;
        lock (_lock) left = [.. _timers];
        foreach (PausableTimer timer in left) timer.Dispose();
    }

    internal long ToHost(long deadline) => deadline - Volatile.Read(ref _shift);

    // Counted before it looks whether the clock stands: Stop waits for those that had looked before.
    internal void Fire(Func<bool> isDue, Action expired)
    {
        Interlocked.Increment(ref _firing);
        if (!IsStopped && isDue()) expired();
        Interlocked.Decrement(ref _firing);
    }

    internal void Remove(PausableTimer timer)
    {
        lock (_lock) _timers.Remove(timer);
    }
}
