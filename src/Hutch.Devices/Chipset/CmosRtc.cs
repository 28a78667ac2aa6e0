using System;
using System.Threading;
using Hutch.Core.Bus;
using Hutch.Core.Interrupts;
using Hutch.Core.State;
using Hutch.Host.Time;

namespace Hutch.Devices.Chipset;

/// <summary>
/// Real-time clock and CMOS RAM (Motorola MC146818A data sheet; PC/AT register use). The clock is the host's UTC plus an offset that
/// the guest's writes move. Flags are computed from elapsed time when they are read; a timer runs only while an interrupt is enabled.
/// </summary>
internal sealed class CmosRtc : IByteRegisters, IStateUnit, IDisposable
{
    private const int Seconds = 0, SecondsAlarm = 1, Minutes = 2, MinutesAlarm = 3, Hours = 4, HoursAlarm = 5;
    private const int DayOfWeek = 6, DayOfMonth = 7, Month = 8, Year = 9, A = 10, B = 11, C = 12, D = 13, Century = 0x32;

    private const byte UpdateInProgress = 0x80, DividerMask = 0x70, DividerReset = 0x60;
    private const byte Set = 0x80, PeriodicEnable = 0x40, AlarmEnable = 0x20, UpdateEnable = 0x10, Binary = 0x04, Hour24 = 0x02;
    private const byte InterruptFlag = 0x80, PeriodicFlag = 0x40, AlarmFlag = 0x20, UpdateFlag = 0x10, ValidRam = 0x80;

    /// <summary>UIP rises this long before the update (data sheet, "Update Cycle": t_BUC).</summary>
    private const long UpdateLeadNanoseconds = 244_000;

    private const long NanosecondsPerSecond = 1_000_000_000;
    private const int SecondsPerDay = 86_400;

    // Years 50 and 9500: beyond what a guest can set, within the calendar.
    private const long FirstTicks = 50 * 365 * TimeSpan.TicksPerDay, LastTicks = 9500L * 365 * TimeSpan.TicksPerDay;

    private readonly Lock _lock = new();
    private readonly ITimerService _timers;
    private readonly IHostTimer _timer;
    private readonly InterruptLine _line;
    private readonly ulong _lowBytes, _highBytes;
    private readonly byte[] _ram = new byte[128];
    private byte _index, _a, _b, _c;
    private TimeSpan _offset;
    private RtcTime _held;
    private bool _isHeld, _dividerWasReset;
    private int _dayOfWeekShift;
    private long _settledSecond, _settledPeriod;

    /// <summary>Creates the clock.</summary>
    /// <param name="timers">Time and the alarm timer.</param>
    /// <param name="line">ISA interrupt 8.</param>
    /// <param name="lowBytes">RAM below 4 GiB, told to the guest in CMOS.</param>
    /// <param name="highBytes">RAM from 4 GiB on.</param>
    public CmosRtc(ITimerService timers, InterruptLine line, ulong lowBytes, ulong highBytes)
    {
        _timers = timers;
        _timer = timers.CreateTimer("rtc", OnTimer);
        _line = line;
        _lowBytes = lowBytes;
        _highBytes = highBytes;
        Reset();
    }

    /// <inheritdoc/>
    public string Name => "rtc";

    private DateTime Now => _timers.Clock.UtcNow.UtcDateTime + _offset;

    private bool IsCounting => (_b & Set) == 0 && (_a & DividerReset) != DividerReset;

    /// <summary>Puts the registers at 0x70.</summary>
    public void MapOn(AddressBus ports) => ports.Map("rtc", 0x70, 2, new ByteWindow(this, 0));

    /// <inheritdoc/>
    public byte ReadRegister(int register)
    {
        if (register == 0) return 0xff; // The index register cannot be read.
        lock (_lock)
        {
            Settle();
            return ReadIndexed();
        }
    }

    /// <inheritdoc/>
    public void WriteRegister(int register, byte value)
    {
        lock (_lock)
        {
            if (register == 0)
            {
                _index = (byte)(value & 0x7f); // Bit 7 gates NMI; nothing here sends one.
                return;
            }
            Settle();
            WriteIndexed(value);
            UpdateLine();
            ArmTimer();
        }
    }

    /// <inheritdoc/>
    public void Start()
    {
        lock (_lock) ArmTimer();
    }

    /// <inheritdoc/>
    public void Stop() => _timer.Disarm();

    /// <summary>A reset clears interrupt enables and flags (data sheet, RESET pin); time goes on, and RAM holds the PC's set-up again.</summary>
    public void Reset()
    {
        lock (_lock)
        {
            if (_isHeld) Release();
            _index = 0;
            _a = 0x26;
            _b = Hour24;
            _c = 0;
            CmosContents.Fill(_ram, _lowBytes, _highBytes);
            _settledSecond = Now.Ticks / TimeSpan.TicksPerSecond;
            _settledPeriod = PeriodIndex();
            _timer.Disarm();
            UpdateLine();
        }
    }

    /// <inheritdoc/>
    public void Exchange(StateFields fields)
    {
        lock (_lock)
        {
            fields.Value("index", ref _index);
            fields.Value("a", ref _a);
            fields.Value("b", ref _b);
            fields.Value("c", ref _c);
            fields.Bytes("ram", _ram);
            fields.Require(_index < _ram.Length, "index");
            long offset = _offset.Ticks;
            long now = _timers.Clock.UtcNow.UtcTicks;
            fields.Value("offset", ref offset, FirstTicks - now, LastTicks - now);
            _offset = new TimeSpan(offset);
            fields.Value("held", ref _isHeld);
            fields.Group("held-time", group => RtcTime.Exchange(group, ref _held));
            fields.Value("divider-was-reset", ref _dividerWasReset);
            fields.Value("day-shift", ref _dayOfWeekShift, 0, 6);
            fields.Value("settled-second", ref _settledSecond, 0, long.MaxValue);
            fields.Value("settled-period", ref _settledPeriod, 0, long.MaxValue);
            UpdateLine();
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _timer.Dispose();

    private byte ReadIndexed()
    {
        bool binary = (_b & Binary) != 0;
        RtcTime time = _isHeld ? _held : Current();
        switch (_index)
        {
            case Seconds: return RtcTime.Encode(time.Second, binary);
            case Minutes: return RtcTime.Encode(time.Minute, binary);
            case Hours: return RtcTime.EncodeHour(time.Hour, binary, (_b & Hour24) != 0);
            case DayOfWeek: return RtcTime.Encode(time.DayOfWeek, binary);
            case DayOfMonth: return RtcTime.Encode(time.Day, binary);
            case Month: return RtcTime.Encode(time.Month, binary);
            case Year: return RtcTime.Encode(time.Year % 100, binary);
            case Century: return RtcTime.Encode(time.Year / 100, binary);
            case A: return (byte)(_a | (IsUpdating() ? UpdateInProgress : 0));
            case B: return _b;
            case C:
                byte flags = _c;
                _c = 0;
                UpdateLine();
                ArmTimer();
                return flags;
            case D: return ValidRam;
            default: return _ram[_index];
        }
    }

    private void WriteIndexed(byte value)
    {
        switch (_index)
        {
            case Seconds or Minutes or Hours or (>= DayOfWeek and <= Year) or Century:
                WriteTime(value);
                break;
            case A:
                bool wasReset = (_a & DividerReset) == DividerReset;
                _a = (byte)(value & 0x7f);
                _dividerWasReset |= wasReset && (_a & DividerReset) != DividerReset;
                _settledPeriod = PeriodIndex();
                HoldOrRelease();
                break;
            case B:
                // SET also clears UIE (data sheet, register B).
                _b = (value & Set) != 0 ? (byte)(value & ~UpdateEnable) : value;
                HoldOrRelease();
                break;
            case C or D:
                break;
            default:
                _ram[_index] = value;
                break;
        }
    }

    private void WriteTime(byte value)
    {
        bool binary = (_b & Binary) != 0;
        RtcTime time = _isHeld ? _held : Current();
        int number = RtcTime.Decode(value, binary);
        switch (_index)
        {
            case Seconds: time.Second = number; break;
            case Minutes: time.Minute = number; break;
            case Hours: time.Hour = RtcTime.DecodeHour(value, binary, (_b & Hour24) != 0); break;
            case DayOfWeek:
                int shift = number - (int)time.ToDateTime().DayOfWeek - 1;
                _dayOfWeekShift = (shift % 7 + 7) % 7;
                time.DayOfWeek = number;
                break;
            case DayOfMonth: time.Day = number; break;
            case Month: time.Month = number; break;
            case Year: time.Year = time.Year / 100 * 100 + number % 100; break;
            default: time.Year = number % 100 * 100 + time.Year % 100; break;
        }
        if (_isHeld) _held = time;
        else MoveTo(time.ToDateTime(), Now.Ticks % TimeSpan.TicksPerSecond);
    }

    /// <summary>While SET or the divider reset holds the clock, the registers are plain memory.</summary>
    private void HoldOrRelease()
    {
        if (!IsCounting && !_isHeld)
        {
            _held = Current();
            _isHeld = true;
        }
        else if (IsCounting && _isHeld) Release();
    }

    private void Release()
    {
        // The first update comes half a second after the divider's reset ends (data sheet, "Divider Stages").
        long fraction = _dividerWasReset ? TimeSpan.TicksPerSecond / 2 : Now.Ticks % TimeSpan.TicksPerSecond;
        MoveTo(_held.ToDateTime(), fraction);
        _isHeld = _dividerWasReset = false;
    }

    private void MoveTo(DateTime whole, long fractionTicks)
    {
        _offset = whole.AddTicks(fractionTicks) - _timers.Clock.UtcNow.UtcDateTime;
        _settledSecond = whole.Ticks / TimeSpan.TicksPerSecond;
    }

    private RtcTime Current()
    {
        RtcTime time = RtcTime.From(Now);
        time.DayOfWeek = (time.DayOfWeek - 1 + _dayOfWeekShift) % 7 + 1;
        return time;
    }

    private bool IsUpdating() => !_isHeld && NanosecondsToUpdate() <= UpdateLeadNanoseconds;

    private long NanosecondsToUpdate() => NanosecondsPerSecond - Now.Ticks % TimeSpan.TicksPerSecond * 100;

    /// <summary>Rate of the periodic interrupt (data sheet, table 5, with the PC's 32.768 kHz crystal); 0 Hz: off.</summary>
    private uint PeriodicHertz => (_a & 0x0f) switch
    {
        0 => 0,
        1 => 256,
        2 => 128,
        int select => 65_536u >> select,
    };

    private long PeriodIndex() => PeriodicHertz == 0 ? 0 : new ClockRate(PeriodicHertz).TicksAt(_timers.Clock.MonotonicNanoseconds);

    /// <summary>Sets the flags of what happened since the last look.</summary>
    private void Settle()
    {
        long period = PeriodIndex();
        if (period != _settledPeriod) _c |= PeriodicFlag;
        _settledPeriod = period;
        if (!_isHeld)
        {
            long second = Now.Ticks / TimeSpan.TicksPerSecond;
            if (second > _settledSecond)
            {
                _c |= UpdateFlag;
                if (AlarmPassed(_settledSecond, second)) _c |= AlarmFlag;
            }
            _settledSecond = second;
        }
        UpdateLine();
    }

    private bool AlarmPassed(long after, long last)
    {
        bool binary = (_b & Binary) != 0;
        long first = Math.Max(after + 1, last - SecondsPerDay + 1);
        for (long second = first; second <= last; second++)
        {
            int ofDay = (int)(second % SecondsPerDay);
            if (Matches(_ram[SecondsAlarm], RtcTime.Encode(ofDay % 60, binary))
                && Matches(_ram[MinutesAlarm], RtcTime.Encode(ofDay / 60 % 60, binary))
                && Matches(_ram[HoursAlarm], RtcTime.EncodeHour(ofDay / 3600, binary, (_b & Hour24) != 0))) return true;
        }
        return false;
    }

    /// <summary>An alarm byte with both top bits set matches everything (data sheet, "Alarm").</summary>
    private static bool Matches(byte alarm, byte now) => alarm >= 0xc0 || alarm == now;

    private void UpdateLine()
    {
        bool asserted = (_c & _b & (PeriodicEnable | AlarmEnable | UpdateEnable)) != 0;
        _c = (byte)(asserted ? _c | InterruptFlag : _c & ~InterruptFlag);
        _line.SetLevel(asserted);
    }

    private void ArmTimer()
    {
        long now = _timers.Clock.MonotonicNanoseconds, deadline = long.MaxValue;
        // A flag that already stands cannot interrupt again until it is read.
        int waiting = _b & ~_c;
        if ((waiting & (UpdateEnable | AlarmEnable)) != 0 && !_isHeld) deadline = now + NanosecondsToUpdate();
        if ((waiting & PeriodicEnable) != 0 && PeriodicHertz != 0)
            deadline = Math.Min(deadline, new ClockRate(PeriodicHertz).NanosecondsAt(PeriodIndex() + 1));
        if (deadline == long.MaxValue) _timer.Disarm();
        else _timer.Arm(deadline);
    }

    private void OnTimer()
    {
        lock (_lock)
        {
            Settle();
            ArmTimer();
        }
    }
}
