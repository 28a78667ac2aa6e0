using System;
using System.Threading;
using Hutch.Core.Bus;
using Hutch.Core.Interrupts;
using Hutch.Core.State;
using Hutch.Host.Time;

namespace Hutch.Devices.Chipset;

/// <summary>
/// ACPI fixed hardware (ACPI 6.5 §4.8): PM1a event and control, the PM timer and GPE block 0, in one port block. ACPI mode is
/// always on (there is no SMI command port). The SCI is level-triggered and set while the lock is held.
/// </summary>
internal sealed class PmBlock : IBusDevice, IStateUnit, IDisposable
{
    /// <summary>First port of the block, and its length in bytes.</summary>
    public const ushort BasePort = 0x600, LengthBytes = 0x40;

    /// <summary>Offsets of the register groups in the block.</summary>
    public const int EventOffset = 0x00, ControlOffset = 0x04, TimerOffset = 0x08, GpeOffset = 0x20;

    /// <summary>Length of GPE block 0 in bytes: half status, half enable.</summary>
    public const int GpeLengthBytes = 4;

    /// <summary>SLP_TYP of S5, as \_S5 says it.</summary>
    public const int SleepTypeSoftOff = 0;

    /// <summary>Global system interrupt of the SCI.</summary>
    public const int SciGsi = 9;

    /// <summary>APMC_EN of SMI_EN (Intel ICH9 data sheet §13.8.3.9): set and read-only, which tells firmware that nothing is to be set up for system management mode.</summary>
    private const byte SmiCommandEnabled = 0x20;

    private const int SmiEnableOffset = 0x30;

    private const ushort TimerStatus = 1 << 0, PowerButtonStatus = 1 << 8, EventBits = 0x8731, EnableBits = 0x0721;
    private const ushort SciEnabled = 1 << 0, ControlKept = 0x1c02, SleepEnable = 1 << 13;

    private static readonly ClockRate Rate = new(3_579_545);

    private readonly Lock _lock = new();
    private readonly IClock _clock;
    private readonly IHostTimer _timer;
    private readonly InterruptLine _sci;
    private readonly IPlatformEvents _platform;
    private readonly int _timerBits;
    private ushort _status, _enable, _control, _gpeStatus, _gpeEnable;
    private long _halfPeriods;

    /// <summary>Creates the block.</summary>
    /// <param name="timers">The PM timer's clock and its overflow.</param>
    /// <param name="sci">The system control interrupt.</param>
    /// <param name="platform">Where S5 goes.</param>
    /// <param name="timerBits">Width of the PM timer: 24 or 32 (FADT flag TMR_VAL_EXT).</param>
    public PmBlock(ITimerService timers, InterruptLine sci, IPlatformEvents platform, int timerBits = 32)
    {
        if (timerBits is not (24 or 32)) throw new ArgumentOutOfRangeException(nameof(timerBits));
        _clock = timers.Clock;
        _timer = timers.CreateTimer("pm timer", OnTimer);
        _sci = sci;
        _platform = platform;
        _timerBits = timerBits;
        Reset();
    }

    /// <inheritdoc/>
    public string Name => "pm";

    private long Ticks => Rate.TicksAt(_clock.MonotonicNanoseconds);

    /// <summary>The block's place, which firmware chooses through the LPC bridge; without firmware it stays at <see cref="BasePort"/>.</summary>
    public BusRegion? Region { get; private set; }

    /// <summary>Puts the block at its ports.</summary>
    public void MapOn(AddressBus ports) => Region = ports.Map("pm", BasePort, LengthBytes, this);

    /// <summary>The power button was pressed (ACPI 6.5 §4.8.3.1.1.1). Any thread.</summary>
    public void PressPowerButton()
    {
        lock (_lock)
        {
            _status |= PowerButtonStatus;
            UpdateSci();
        }
    }

    /// <summary>Sets one general-purpose event's status (ACPI 6.5 §4.8.4.1). Any thread.</summary>
    public void RaiseGpe(int number)
    {
        lock (_lock)
        {
            _gpeStatus |= (ushort)(1 << number);
            UpdateSci();
        }
    }

    /// <inheritdoc/>
    public BusStatus Read(ulong offset, Span<byte> data)
    {
        lock (_lock)
        {
            long ticks = Ticks;
            UpdateTimerStatus(ticks);
            for (int i = 0; i < data.Length; i++) data[i] = ReadByte((int)offset + i, ticks);
        }
        return BusStatus.Handled;
    }

    /// <inheritdoc/>
    public BusStatus Write(ulong offset, ReadOnlySpan<byte> data)
    {
        bool powerOff = false;
        lock (_lock)
        {
            UpdateTimerStatus(Ticks);
            for (int i = 0; i < data.Length; i++) powerOff |= WriteByte((int)offset + i, data[i]);
            UpdateSci();
            ArmTimer();
        }
        if (powerOff) _platform.PowerOff();
        return BusStatus.Handled;
    }

    /// <inheritdoc/>
    public void Start()
    {
        lock (_lock) ArmTimer();
    }

    /// <inheritdoc/>
    public void Stop() => _timer.Disarm();

    /// <inheritdoc/>
    public void Reset()
    {
        lock (_lock)
        {
            _status = _enable = _control = _gpeStatus = _gpeEnable = 0;
            _halfPeriods = Ticks >> (_timerBits - 1);
            _timer.Disarm();
            UpdateSci();
        }
    }

    /// <inheritdoc/>
    public void Exchange(StateFields fields)
    {
        lock (_lock)
        {
            fields.Value("status", ref _status);
            fields.Value("enable", ref _enable);
            fields.Value("control", ref _control);
            fields.Value("gpe-status", ref _gpeStatus);
            fields.Value("gpe-enable", ref _gpeEnable);
            fields.Value("half-periods", ref _halfPeriods, 0, long.MaxValue >> _timerBits);
            UpdateSci();
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _timer.Dispose();

    private byte ReadByte(int register, long ticks)
    {
        int shift = (register & 1) * 8;
        return register switch
        {
            0 or 1 => (byte)(_status >> shift),
            2 or 3 => (byte)(_enable >> shift),
            4 or 5 => (byte)((_control | SciEnabled) >> shift),
            >= 8 and < 12 => (byte)((ticks & ((1L << _timerBits) - 1)) >> ((register - TimerOffset) * 8)),
            0x20 or 0x21 => (byte)(_gpeStatus >> shift),
            0x22 or 0x23 => (byte)(_gpeEnable >> shift),
            SmiEnableOffset => SmiCommandEnabled,
            _ => 0,
        };
    }

    /// <summary>Returns true where the write asks for S5.</summary>
    private bool WriteByte(int register, byte value)
    {
        int shift = (register & 1) * 8;
        ushort bits = (ushort)(value << shift), other = (ushort)(0xff00 >> shift);
        switch (register)
        {
            case 0 or 1: _status &= (ushort)~bits; break;
            case 2 or 3: _enable = (ushort)((_enable & other) | (bits & EnableBits)); break;
            case 4 or 5:
                _control = (ushort)((_control & other) | (bits & ControlKept));
                return (bits & SleepEnable) != 0 && ((_control >> 10) & 7) == SleepTypeSoftOff;
            case 0x20 or 0x21: _gpeStatus &= (ushort)~bits; break;
            case 0x22 or 0x23: _gpeEnable = (ushort)((_gpeEnable & other) | bits); break;
        }
        return false;
    }

    /// <summary>TMR_STS is set whenever the top bit of the timer changes (ACPI 6.5 §4.8.2.1).</summary>
    private void UpdateTimerStatus(long ticks)
    {
        long halfPeriods = ticks >> (_timerBits - 1);
        if (halfPeriods == _halfPeriods) return;
        _halfPeriods = halfPeriods;
        _status |= TimerStatus;
        UpdateSci();
    }

    private void ArmTimer()
    {
        if ((_enable & TimerStatus) != 0 && (_status & TimerStatus) == 0)
            _timer.Arm(Rate.NanosecondsAt((_halfPeriods + 1) << (_timerBits - 1)));
        else _timer.Disarm();
    }

    private void OnTimer()
    {
        lock (_lock)
        {
            UpdateTimerStatus(Ticks);
            ArmTimer();
        }
    }

    private void UpdateSci() => _sci.SetLevel((_status & _enable & EventBits) != 0 || (_gpeStatus & _gpeEnable) != 0);
}
