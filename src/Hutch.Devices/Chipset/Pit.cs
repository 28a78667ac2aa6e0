using System.Threading;
using Hutch.Core.Bus;
using Hutch.Core.Interrupts;
using Hutch.Core.State;
using Hutch.Host.Time;

namespace Hutch.Devices.Chipset;

/// <summary>
/// The PC's 8254 interval timer (Intel 8254 data sheet 231164) with system control port B at 0x61 (Intel ICH9 data sheet §13.7.1).
/// Counter 0 drives the timer interrupt; counter 2's gate and output are on port 0x61. The lines are set while its lock is held.
/// </summary>
internal sealed class Pit : IByteRegisters, IStateUnit, System.IDisposable
{
    /// <summary>Registers: 0 to 2 counters, 3 control word, 4 port 0x61.</summary>
    public const int CounterRegister = 0, PortBRegister = 4;

    private const int ControlRegister = 3, LatchCommand = 0, ReadBackCommand = 3;

    // Port 0x61: gate 2, speaker and the two check enables can be written; refresh toggles every 15 us; bit 5 is OUT 2.
    private const byte PortBWritable = 0x0f, Gate2 = 0x01, RefreshToggle = 0x10, Output2 = 0x20;
    private const long RefreshNanoseconds = 15_085;

    private static readonly ClockRate Rate = new(1_193_182);

    private readonly Lock _lock = new();
    private readonly IClock _clock;
    private readonly IHostTimer _timer;
    private readonly InterruptLine _line;
    private readonly PitCounter[] _counters = new PitCounter[3];
    private long _nextRise = PitCounter.Never;
    private bool _level;
    private byte _portB;

    /// <summary>Creates the timer; <paramref name="line"/> is counter 0's output.</summary>
    public Pit(ITimerService timers, InterruptLine line)
    {
        _clock = timers.Clock;
        _timer = timers.CreateTimer("pit", OnTimer);
        _line = line;
        Reset();
    }

    /// <inheritdoc/>
    public string Name => "pit";

    /// <summary>Puts the registers at 0x40 and 0x61.</summary>
    public void MapOn(AddressBus ports)
    {
        ports.Map("pit", 0x40, 4, new ByteWindow(this, CounterRegister));
        ports.Map("port61", 0x61, 1, new ByteWindow(this, PortBRegister));
    }

    /// <inheritdoc/>
    public byte ReadRegister(int register)
    {
        lock (_lock)
        {
            long now = Now();
            if (register < ControlRegister) return _counters[register].Read(now);
            if (register == ControlRegister) return 0xff; // The control word register cannot be read.
            bool refresh = (_clock.MonotonicNanoseconds / RefreshNanoseconds & 1) != 0;
            return (byte)(_portB | (refresh ? RefreshToggle : 0) | (_counters[2].Output(now) ? Output2 : 0));
        }
    }

    /// <inheritdoc/>
    public void WriteRegister(int register, byte value)
    {
        lock (_lock)
        {
            long now = Now();
            Settle(now);
            if (register < ControlRegister) _counters[register].Write(value, now);
            else if (register == ControlRegister) WriteControl(value, now);
            else
            {
                _portB = (byte)(value & PortBWritable);
                _counters[2].SetGate((value & Gate2) != 0, now);
            }
            Follow(now);
        }
    }

    /// <inheritdoc/>
    public void Start()
    {
        lock (_lock) Follow(Now());
    }

    /// <inheritdoc/>
    public void Stop() => _timer.Disarm();

    /// <inheritdoc/>
    public void Reset()
    {
        lock (_lock)
        {
            _portB = 0;
            for (int i = 0; i < _counters.Length; i++) _counters[i] = new PitCounter(gate: i != 2);
            _nextRise = PitCounter.Never;
            _timer.Disarm();
            _level = false;
            _line.SetLevel(false);
        }
    }

    /// <inheritdoc/>
    public void Exchange(StateFields fields)
    {
        lock (_lock)
        {
            for (int i = 0; i < _counters.Length; i++) fields.Group($"counter{i}", _counters[i].Exchange);
            fields.Value("port-b", ref _portB);
            fields.Value("level", ref _level);
            fields.Value("next-rise", ref _nextRise, PitCounter.Never, PitCounter.Latest);
            _line.SetLevel(_level);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _timer.Dispose();

    private long Now() => Rate.TicksAt(_clock.MonotonicNanoseconds);

    private void WriteControl(byte value, long now)
    {
        int counter = value >> 6, access = (value >> 4) & 3;
        if (counter == ReadBackCommand)
        {
            for (int i = 0; i < _counters.Length; i++)
            {
                if ((value & (2 << i)) == 0) continue;
                if ((value & 0x20) == 0) _counters[i].LatchCount(now);
                if ((value & 0x10) == 0) _counters[i].LatchStatus(now);
            }
        }
        else if (access == LatchCommand) _counters[counter].LatchCount(now);
        else _counters[counter].SetMode(value, now);
    }

    private void OnTimer()
    {
        lock (_lock)
        {
            long now = Now();
            Settle(now);
            Follow(now);
        }
    }

    /// <summary>Gives the edge of a rise that time has passed. Rises that were missed together are one edge, as an unserved interrupt is.</summary>
    private void Settle(long now)
    {
        if (_nextRise == PitCounter.Never || now < _nextRise) return;
        _line.SetLevel(false);
        _line.SetLevel(true);
        _level = true;
    }

    /// <summary>Sets the line to counter 0's output and the timer to its next rise. The low tick of mode 2 only shows in the edge.</summary>
    private void Follow(long now)
    {
        PitCounter counter = _counters[0];
        bool level = counter.Output(now);
        if (level != _level)
        {
            _level = level;
            _line.SetLevel(level);
        }
        _nextRise = counter.NextRise(now);
        if (_nextRise == PitCounter.Never) _timer.Disarm();
        else _timer.Arm(Rate.NanosecondsAt(_nextRise));
    }
}
