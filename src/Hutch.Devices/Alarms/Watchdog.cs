using System;
using System.Buffers.Binary;
using System.Threading;
using Hutch.Core.Bus;
using Hutch.Core.State;
using Hutch.Devices.Pci;
using Hutch.Host.Time;
using Hutch.Model.Machine;

namespace Hutch.Devices.Alarms;

/// <summary>
/// The watchdog timer of an Intel 6300ESB (Intel 6300ESB ICH data sheet §16). Two stages count down one behind the other; the end of the first can interrupt, the end of the
/// second is the alarm. Registers in memory are written behind a lock of two bytes. Locks, outermost first: the bus's configuration lock, then this one.
/// </summary>
internal sealed class Watchdog : PciFunction, IBusDevice, IDevice
{
    private const int BarBytes = 16, Preload1 = 0x00, Preload2 = 0x04, Interrupts = 0x08, Reload = 0x0c;
    private const int Configuration = 0x60, LockRegister = 0x68;
    private const ushort NoInterrupt = 3, FastClock = 1 << 2, NoAlarm = 1 << 5;
    private const byte Locked = 1, Enabled = 2, FreeRunning = 4;
    private const uint PreloadBits = 0xf_ffff, ReloadNow = 1 << 8, TimedOut = 1 << 9;
    private const byte FirstKey = 0x80, SecondKey = 0x86;

    // The timer counts the PCI clock of 33 MHz, divided by 2^15 or by 2^5.
    private const long ClockHertz = 33_000_000, NanosecondsPerSecond = 1_000_000_000, ShortestNanoseconds = 1_000_000;
    private const int SlowShift = 15, FastShift = 5;

    private readonly IPlatformEvents _platform;
    private readonly PciBus _bus;
    private readonly AlarmAction _action;
    private readonly IClock _clock;
    private readonly IHostTimer _timer;
    private readonly Lock _lock = new();
    private uint _preload1, _preload2, _interrupts;
    private int _stage, _keys;
    private long _deadline;
    private bool _timedOut;

    internal Watchdog(WatchdogConfig config, MachineServices services)
        : base(config.Id, new PciIdentity(0x8086, 0x25ab, 0x088000, Revision: 0, SubsystemVendor: 0x1af4, Subsystem: 0x1100))
    {
        _platform = services.Platform;
        _bus = services.Pci ?? throw new ConfigException($"Device \"{config.Id}\" needs a PCI bus; list the platform before it.");
        _action = config.Action;
        _clock = services.Timers.Clock;
        _timer = services.Timers.CreateTimer(config.Id, Expired);
        AddBar(0, PciBarKind.Memory32, BarBytes, this);
        UseInterruptPin();
        MakeWritable(Configuration, (byte)(NoInterrupt | FastClock | NoAlarm));
        MakeWritable(LockRegister, Locked | Enabled | FreeRunning);
        Clear();
        _ = _bus.Add(this);
    }

    /// <inheritdoc/>
    string IStateUnit.Name => Name;

    /// <inheritdoc/>
    public void Start() { }

    /// <inheritdoc/>
    public void Stop() { }

    /// <summary>The machine was reset: the timer stands. That it was this timer which reset it can still be read, as on the chip, whose bit is kept by a battery.</summary>
    public void Reset()
    {
        lock (_lock) Clear();
        _bus.ResetFunction(this);
    }

    /// <inheritdoc/>
    public void Exchange(StateFields fields)
    {
        fields.Group("pci", group => _bus.Exchange(this, group));
        lock (_lock)
        {
            fields.Value("preload1", ref _preload1);
            fields.Value("preload2", ref _preload2);
            fields.Value("interrupts", ref _interrupts);
            fields.Value("stage", ref _stage, 0, 2);
            fields.Value("keys", ref _keys, 0, 2);
            fields.Value("deadline", ref _deadline, 0, long.MaxValue / 2);
            fields.Value("timed-out", ref _timedOut);
            fields.Require((_preload1 | _preload2) <= PreloadBits && _interrupts <= 1, "preload1");
            if (!fields.IsRestoring) return;
            if (_stage != 0) _timer.Arm(_deadline);
            SetInterrupt(_interrupts != 0);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _timer.Dispose();

    /// <inheritdoc/>
    public BusStatus Read(ulong offset, Span<byte> data)
    {
        Span<byte> registers = stackalloc byte[BarBytes];
        registers.Clear();
        lock (_lock)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(registers[Preload1..], _preload1);
            BinaryPrimitives.WriteUInt32LittleEndian(registers[Preload2..], _preload2);
            BinaryPrimitives.WriteUInt32LittleEndian(registers[Interrupts..], _interrupts);
            BinaryPrimitives.WriteUInt32LittleEndian(registers[Reload..], _timedOut ? TimedOut : 0);
        }
        registers.Slice((int)offset, data.Length).CopyTo(data);
        return BusStatus.Handled;
    }

    /// <inheritdoc/>
    public BusStatus Write(ulong offset, ReadOnlySpan<byte> data)
    {
        uint value = 0;
        for (int i = 0; i < data.Length && i < sizeof(uint); i++) value |= (uint)data[i] << (8 * i);
        lock (_lock)
        {
            // The two keys open the registers for one write each (§16.2).
            if (offset == Reload && (value & 0xffff) is FirstKey or SecondKey)
            {
                _keys = (value & 0xffff) == FirstKey ? 1 : _keys == 1 ? 2 : 0;
                return BusStatus.Handled;
            }
            bool isOpen = _keys == 2;
            if (offset == Interrupts)
            {
                _interrupts &= ~value;
                SetInterrupt(_interrupts != 0);
            }
            if (!isOpen) return BusStatus.Handled;
            _keys = 0;
            switch (offset)
            {
                case Preload1: _preload1 = value & PreloadBits; break;
                case Preload2: _preload2 = value & PreloadBits; break;
                case Reload:
                    if ((value & TimedOut) != 0) _timedOut = false;
                    if ((value & ReloadNow) != 0) Begin(1);
                    break;
            }
        }
        return BusStatus.Handled;
    }

    /// <inheritdoc/>
    internal override bool WriteConfig(int offset, ReadOnlySpan<byte> data)
    {
        lock (_lock)
        {
            byte before = Control;
            // The lock keeps its register as it is until the machine is reset (§16.1.6).
            if (offset <= LockRegister && offset + data.Length > LockRegister && (before & Locked) != 0) return false;
            bool mapping = base.WriteConfig(offset, data);
            if (((before ^ Control) & Enabled) == 0) return mapping;
            if ((Control & Enabled) != 0)
            {
                Begin(1);
                return mapping;
            }
            _timer.Disarm();
            _stage = 0;
            return mapping;
        }
    }

    private byte Control => (byte)Get16(LockRegister);

    private ushort Settings => Get16(Configuration);

    private void Clear()
    {
        (_preload1, _preload2, _interrupts) = (PreloadBits, PreloadBits, 0);
        (_stage, _keys, _deadline) = (0, 0, 0);
        _timer.Disarm();
    }

    private void Begin(int stage)
    {
        if ((Control & Enabled) == 0) return;
        _stage = stage;
        long clocks = (long)(stage == 1 ? _preload1 : _preload2) << ((Settings & FastClock) != 0 ? FastShift : SlowShift);
        // 20 bits and 15 more: the seconds first, so that nothing overflows.
        long wait = (clocks / ClockHertz * NanosecondsPerSecond) + (clocks % ClockHertz * NanosecondsPerSecond / ClockHertz);
        // One that is shorter keeps nobody's time, only the host's processor.
        _deadline = _clock.MonotonicNanoseconds + Math.Max(wait, ShortestNanoseconds);
        _timer.Arm(_deadline);
    }

    private void Expired()
    {
        lock (_lock)
        {
            if (_stage == 0 || _clock.MonotonicNanoseconds < _deadline) return;
            if (_stage == 1)
            {
                if ((Settings & NoInterrupt) == 0)
                {
                    _interrupts = 1;
                    SetInterrupt(true);
                }
                Begin(2);
                return;
            }
            _stage = 0;
            if ((Control & FreeRunning) != 0) Begin(1);
            if ((Settings & NoAlarm) != 0) return;
            _timedOut = true;
        }
        _platform.Alarm($"The guest did not stop its watchdog '{Name}' in time", _action);
    }
}
