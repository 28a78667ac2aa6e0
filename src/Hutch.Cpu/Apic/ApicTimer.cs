using System;
using System.Threading;
using Hutch.Host.Time;

namespace Hutch.Cpu.Apic;

/// <summary>
/// The timer of one local APIC (Intel SDM 3A §11.5.4): one-shot, periodic, TSC-deadline. Counts at 1 GHz before division, as CPUID
/// 0x40000010 says. The current count is computed from time. Written on the vCPU's thread, expires on the timer service's.
/// </summary>
internal sealed class ApicTimer : IDisposable
{
    /// <summary>Input clock of the divider in kHz.</summary>
    public const uint BusKhz = 1_000_000;

    // A guest must not be able to keep the host's timer thread busy.
    private const long ShortestPeriod = 20_000;
    private const long LongestDelay = long.MaxValue / 4;

    private readonly Lock _lock = new();
    private readonly LocalApic _apic;
    private readonly SoftVcpu _vcpu;
    private readonly IClock _clock;
    private readonly IHostTimer _timer;
    private uint _initialCount, _divideRegister;
    private TimerMode _mode;

    // 0: not counting. In TSC-deadline mode the host's estimate of when _tscDeadline comes.
    private long _deadline;
    private ulong _tscDeadline;

    public ApicTimer(LocalApic apic, SoftVcpu vcpu)
    {
        _apic = apic;
        _vcpu = vcpu;
        _clock = vcpu.Machine.Timers.Clock;
        _timer = vcpu.Machine.Timers.CreateTimer($"APIC timer {vcpu.Index}", OnExpired);
    }

    private enum TimerMode
    {
        OneShot = 0, Periodic = 1, TscDeadline = 2, Reserved = 3,
    }

    /// <summary>The initial count register. Reads 0 in TSC-deadline mode, where writes are ignored; else a write starts the timer, 0 stops it.</summary>
    public uint InitialCount
    {
        get { lock (_lock) return _initialCount; }
        set
        {
            lock (_lock)
            {
                if (_mode == TimerMode.TscDeadline) return;
                _initialCount = value;
                Start(value);
            }
        }
    }

    /// <summary>The current count register.</summary>
    public uint CurrentCount { get { lock (_lock) return Remaining(); } }

    /// <summary>The divide configuration register: bits 0, 1 and 3.</summary>
    public uint Divide
    {
        get { lock (_lock) return _divideRegister; }
        set
        {
            lock (_lock)
            {
                uint remaining = Remaining();
                _divideRegister = value & 0xb;
                if (_deadline != 0 && _mode != TimerMode.TscDeadline) Start(remaining);
            }
        }
    }

    /// <summary>IA32_TSC_DEADLINE. Reads 0 when not armed; writes are ignored in other modes.</summary>
    public ulong TscDeadline
    {
        get { lock (_lock) return _tscDeadline; }
        set
        {
            bool due;
            lock (_lock)
            {
                if (_mode != TimerMode.TscDeadline) return;
                _tscDeadline = value;
                due = ArmTscDeadline();
            }
            if (due) Fire();
        }
    }

    private int DivideShift => (int)((((_divideRegister & 8) >> 1) | (_divideRegister & 3)) + 1) & 7;

    /// <summary>The LVT entry's timer mode (bits 17-18) was written. Entering or leaving TSC-deadline mode stops the timer.</summary>
    public void SetMode(uint lvt)
    {
        lock (_lock)
        {
            var mode = (TimerMode)(lvt >> 17 & 3);
            if (mode == _mode) return;
            bool stop = mode == TimerMode.TscDeadline || _mode == TimerMode.TscDeadline;
            _mode = mode;
            if (stop) Stop();
        }
    }

    /// <summary>The guest's TSC jumped: a TSC deadline comes at another time.</summary>
    public void OnTscChanged()
    {
        bool due;
        lock (_lock) due = _mode == TimerMode.TscDeadline && ArmTscDeadline();
        if (due) Fire();
    }

    /// <summary>Stops and forgets everything.</summary>
    public void Reset()
    {
        lock (_lock)
        {
            _mode = TimerMode.OneShot;
            _divideRegister = 0;
            Stop();
        }
    }

    /// <summary>Goes on from a saved count; mode and divider have been restored before.</summary>
    public void Restore(uint initialCount, uint currentCount)
    {
        lock (_lock)
        {
            if (_mode == TimerMode.TscDeadline) return;
            _initialCount = initialCount;
            Start(currentCount);
        }
    }

    private void Stop()
    {
        _initialCount = 0;
        _tscDeadline = 0;
        _deadline = 0;
        _timer.Disarm();
    }

    private void Start(uint count)
    {
        if (count == 0)
        {
            _deadline = 0;
            _timer.Disarm();
            return;
        }
        Arm(Math.Max((long)count << DivideShift, 1));
    }

    private void Arm(long delay)
    {
        _deadline = Math.Max(_clock.MonotonicNanoseconds + Math.Min(delay, LongestDelay), 1);
        _timer.Arm(_deadline);
    }

    // True: the deadline has passed, and the caller fires without the lock.
    private bool ArmTscDeadline()
    {
        if (_tscDeadline == 0)
        {
            _deadline = 0;
            _timer.Disarm();
            return false;
        }
        ulong now = _vcpu.Time.ReadTsc();
        if (now < _tscDeadline)
        {
            Arm(_vcpu.Time.TicksToNanoseconds(_tscDeadline - now));
            return false;
        }
        _tscDeadline = 0;
        _deadline = 0;
        _timer.Disarm();
        return true;
    }

    private uint Remaining()
    {
        if (_deadline == 0 || _mode == TimerMode.TscDeadline) return 0;
        long left = _deadline - _clock.MonotonicNanoseconds;
        if (left <= 0)
        {
            // Expired, the service's thread is about to notice.
            if (_mode != TimerMode.Periodic || _initialCount == 0) return 0;
            long period = (long)_initialCount << DivideShift;
            left = period - (-left % period);
        }
        long unit = 1L << DivideShift;
        return (uint)Math.Min((left + unit - 1) >> DivideShift, uint.MaxValue);
    }

    private void OnExpired()
    {
        lock (_lock)
        {
            // An expiry that was overtaken by a later write.
            if (_deadline == 0) return;
            long now = _clock.MonotonicNanoseconds;
            if (now < _deadline)
            {
                _timer.Arm(_deadline);
                return;
            }
            if (_mode == TimerMode.TscDeadline)
            {
                if (!ArmTscDeadline()) return;
            }
            else if (_mode == TimerMode.Periodic && _initialCount != 0) NextPeriod(now);
            else _deadline = 0;
            // With the lock held: once Dispose has had it, nothing of the vCPU is touched any more.
            Fire();
        }
    }

    // Periods that were missed altogether are not made up for.
    private void NextPeriod(long now)
    {
        long period = Math.Max((long)_initialCount << DivideShift, ShortestPeriod);
        _deadline += period;
        if (_deadline <= now) _deadline = now + period - ((now - _deadline) % period);
        _timer.Arm(_deadline);
    }

    private void Fire() => _apic.DeliverLocal(_apic.Registers.LvtTimer);

    /// <inheritdoc/>
    public void Dispose()
    {
        // An expiry that has begun already finds nothing to do.
        lock (_lock) Stop();
        _timer.Dispose();
    }
}
