using System;
using System.Threading;

namespace Hutch.Host.Time;

/// <summary>One timer of <see cref="PausableTimers"/>, with its deadline on their clock. Its lock is held for no call but the host timer's.</summary>
internal sealed class PausableTimer : IHostTimer
{
    private readonly Lock _lock = new();
    private readonly PausableTimers _owner;
    private readonly Action _expired;
    private readonly Func<bool> _isDue;
    private IHostTimer? _host;
    private long _deadline;
    private bool _armed;

    internal PausableTimer(PausableTimers owner, Action expired)
    {
        _owner = owner;
        _expired = expired;
        _isDue = TakeIfDue;
    }

    internal void Bind(IHostTimer host) => _host = host;

    /// <inheritdoc/>
    public void Arm(long deadlineNanoseconds)
    {
        lock (_lock)
        {
            _deadline = deadlineNanoseconds;
            _armed = true;
            if (!_owner.IsStopped) _host!.Arm(_owner.ToHost(deadlineNanoseconds));
        }
    }

    /// <inheritdoc/>
    public void Disarm()
    {
        lock (_lock)
        {
            _armed = false;
            _host!.Disarm();
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Disarm();
        _host!.Dispose();
        _owner.Remove(this);
    }

    internal void OnHostExpired() => _owner.Fire(_isDue, _expired);

    /// <summary>The clock has stopped.</summary>
    internal void Hold()
    {
        lock (_lock) _host!.Disarm();
    }

    /// <summary>The clock goes on.</summary>
    internal void GoOn()
    {
        lock (_lock)
            if (_armed) _host!.Arm(_owner.ToHost(_deadline));
    }

    // False for an expiry that a later Arm or Disarm has overtaken.
    private bool TakeIfDue()
    {
        lock (_lock)
        {
            if (!_armed) return false;
            if (_deadline > _owner.MonotonicNanoseconds)
            {
                _host!.Arm(_owner.ToHost(_deadline));
                return false;
            }
            _armed = false;
            return true;
        }
    }
}
