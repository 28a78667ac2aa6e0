using System;
using Hutch.Core.State;
using Hutch.Host.Time;
using static Hutch.Devices.Ethernet.E1000.E1000Registers;

namespace Hutch.Devices.Ethernet.E1000;

/// <summary>
/// Why the card wants to interrupt, and when it may (§13.4.17 to §13.4.21). The delays of received and sent packets (§13.4.30, §13.4.44) hold a cause back until no other
/// came for that time, or the absolute delay is over; ITR keeps the line down for a time after it last rose. Under the card's lock, but for the timer's call.
/// </summary>
internal sealed class E1000Interrupts : IDisposable
{
    private const long DelayUnitNanoseconds = 1024, ThrottleUnitNanoseconds = 256;

    // Less than it costs to set a timer and to be woken by it. Packets of a batch are told of together anyway.
    private const long LeastDelayNanoseconds = 20_000;

    private readonly IClock _clock;
    private readonly IHostTimer _timer;
    private readonly Action<bool> _setLine;
    private uint _causes, _mask, _delayed, _throttle;
    private long _delayedUntil, _delayedAtMost, _risen = long.MinValue / 2;
    private bool _line;

    /// <summary>Makes them.</summary>
    /// <param name="timers">Clock and timer.</param>
    /// <param name="name">Name of the timer.</param>
    /// <param name="expired">Called by the timer; takes the lock and calls <see cref="Expire"/>.</param>
    /// <param name="setLine">Sets the level of the interrupt pin.</param>
    internal E1000Interrupts(ITimerService timers, string name, Action expired, Action<bool> setLine)
    {
        _clock = timers.Clock;
        _timer = timers.CreateTimer(name, expired);
        _setLine = setLine;
    }

    /// <summary>IMS.</summary>
    internal uint Mask => _mask;

    /// <summary>ITR, in units of 256 ns.</summary>
    internal uint Throttle
    {
        get => _throttle;
        set
        {
            _throttle = value & 0xffff;
            Update();
        }
    }

    /// <summary>Power-on state.</summary>
    internal void Reset()
    {
        (_causes, _mask, _delayed, _throttle) = (0, 0, 0, 0);
        _risen = long.MinValue / 2;
        Update();
    }

    /// <summary>Causes come up at once.</summary>
    internal void Raise(uint causes)
    {
        _causes |= causes;
        Update();
    }

    /// <summary>A cause comes up when its delay is over. Another of the kind begins the delay again, the absolute one not.</summary>
    /// <param name="cause">The cause.</param>
    /// <param name="delay">RDTR or TIDV, in units of 1024 ns; 0: at once.</param>
    /// <param name="atMost">RADV or TADV in the same units; 0: no limit.</param>
    internal void RaiseLater(uint cause, uint delay, uint atMost)
    {
        long wait = (delay & 0xffff) * DelayUnitNanoseconds, most = (atMost & 0xffff) * DelayUnitNanoseconds;
        if (wait < LeastDelayNanoseconds || (most != 0 && most < LeastDelayNanoseconds))
        {
            Raise(cause);
            return;
        }
        long now = _clock.MonotonicNanoseconds;
        if (_delayed == 0) _delayedAtMost = long.MaxValue;
        if ((_delayed & cause) == 0 && most != 0) _delayedAtMost = Math.Min(_delayedAtMost, now + most);
        // One timer for both kinds: the earlier one tells of both, as the hardware may (§3.2.7.1.1).
        _delayedUntil = Math.Min(_delayedAtMost, _delayed == 0 || _delayed == cause ? now + wait : Math.Min(_delayedUntil, now + wait));
        _delayed |= cause;
        Update();
    }

    /// <summary>What is delayed is due.</summary>
    internal void Flush()
    {
        _causes |= _delayed;
        _delayed = 0;
        Update();
    }

    /// <summary>The machine stands: nothing is delayed, and the line is kept down no longer, so that a restored card's is as the saved one's was.</summary>
    internal void Settle()
    {
        _risen = long.MinValue / 2;
        Flush();
    }

    /// <summary>The timer's time has come.</summary>
    internal void Expire()
    {
        if (_delayed != 0 && _clock.MonotonicNanoseconds >= _delayedUntil) Flush();
        else Update();
    }

    /// <summary>ICR: reading takes all causes.</summary>
    internal uint TakeCauses()
    {
        uint causes = _causes;
        _causes = 0;
        Update();
        return causes;
    }

    /// <summary>ICR: writing takes those of its bits.</summary>
    internal void ClearCauses(uint causes)
    {
        _causes &= ~causes;
        Update();
    }

    /// <summary>IMS and IMC.</summary>
    internal void SetMask(uint set, uint clear)
    {
        _mask = ((_mask | set) & ~clear) & CauseBits;
        Update();
    }

    /// <summary>Saves or restores the registers; nothing is delayed or kept down while the machine stands.</summary>
    internal void Exchange(StateFields fields)
    {
        fields.Value("causes", ref _causes);
        fields.Value("mask", ref _mask);
        fields.Value("throttle", ref _throttle);
        if (!fields.IsRestoring) return;
        _delayed = 0;
        _risen = long.MinValue / 2;
        Update();
    }

    /// <inheritdoc/>
    public void Dispose() => _timer.Dispose();

    private void Update()
    {
        long due = long.MaxValue;
        bool wanted = (_causes & _mask) != 0;
        if (wanted && !_line && _throttle != 0)
        {
            long free = _risen + (_throttle * ThrottleUnitNanoseconds), now = _clock.MonotonicNanoseconds;
            if (now < free) (wanted, due) = (false, free);
            else _risen = now;
        }
        if (_delayed != 0) due = Math.Min(due, _delayedUntil);
        if (due != long.MaxValue) _timer.Arm(due);
        if (wanted == _line) return;
        _line = wanted;
        _setLine(wanted);
    }
}
