using System;
using System.Buffers.Binary;
using System.Threading;
using Hutch.Core.Bus;
using Hutch.Core.Interrupts;
using Hutch.Core.State;
using Hutch.Host.Time;

namespace Hutch.Devices.Chipset;

/// <summary>
/// High-precision event timers (IA-PC HPET specification 1.0a): a counter of 64 bits that goes at 100 MHz and three comparators, all periodic if wanted; no interrupts by messages. They
/// follow the machine's clock, so a paused guest's counter stands. Lines are set while the lock is held.
/// </summary>
internal sealed class Hpet : IBusDevice, IStateUnit, IDisposable
{
    /// <summary>Where the registers are, and their length in bytes (QEMU and the ICH9 have them there, too).</summary>
    public const ulong BaseAddress = 0xFED0_0000, LengthBytes = 0x400;

    /// <summary>The global system interrupts that a timer can be routed to: those of an ICH9 (data sheet §22.1.5, bits 55:52).</summary>
    public const int FirstRoute = 20, RouteCount = 4;

    /// <summary>The lower half of the capabilities (§2.3.4), which the ACPI table repeats: Intel's, with legacy replacement, 64 bits and three timers, revision 1.</summary>
    public const uint Identification = 0x8086_0000 | 1 << 15 | 1 << 13 | (TimerCount - 1) << 8 | 1;

    /// <summary>The shortest period that no interrupt is lost at, in ticks: for the ACPI table.</summary>
    public const ushort MinimumTicks = 2000;

    private const int TimerCount = 3, ReplacingTimers = 2;

    // One tick is 10 ns, told in femtoseconds (§2.3.4).
    private const ulong PeriodFemtoseconds = 10_000_000;

    // Offsets of registers (§2.3), of 64 bits each.
    private const ulong CapabilitiesOffset = 0x000, ConfigurationOffset = 0x010, StatusOffset = 0x020, CounterOffset = 0x0f0, FirstTimerOffset = 0x100;
    private const int TimerShift = 5;
    private const ulong TimerRegisters = 0x18, ComparatorOffset = 0x08, RegisterBytes = 8;

    private const ulong Enable = 1 << 0, LegacyReplacement = 1 << 1;

    // Interrupts at shorter intervals than this are one: a guest cannot keep the host's timers busy.
    private const long MinimumNanoseconds = MinimumTicks * 10;

    // Matches that are further away, a year, are waited for again.
    private const ulong MostTicks = 1UL << 52;

    private static readonly ClockRate Rate = new(100_000_000);

    private readonly Lock _lock = new();
    private readonly IClock _clock;
    private readonly IHostTimer _timer;
    private readonly LegacyTimerLines _legacy;
    private readonly HpetTimer[] _timers = new HpetTimer[TimerCount];
    private ulong _configuration;

    // The counter: what it stands at, or, while it counts, how far it is ahead of the clock's ticks. And where it was when the timers looked last.
    private ulong _counter, _settled;
    private long _lastInterrupt;

    /// <summary>Creates the timers.</summary>
    /// <param name="timers">The machine's clock.</param>
    /// <param name="gsi">The global system interrupts.</param>
    /// <param name="legacy">The interrupts of PIT and RTC.</param>
    public Hpet(ITimerService timers, GsiController gsi, LegacyTimerLines legacy)
    {
        _clock = timers.Clock;
        _timer = timers.CreateTimer("hpet", Start);
        _legacy = legacy;
        for (int i = 0; i < TimerCount; i++)
        {
            InterruptLine[] routes = new InterruptLine[RouteCount];
            for (int route = 0; route < RouteCount; route++) routes[route] = gsi.Connect(FirstRoute + route);
            _timers[i] = new HpetTimer(routes, i < ReplacingTimers ? new InterruptLine(legacy, LegacyTimerLines.FirstHpetTimer + i) : null);
        }
    }

    /// <inheritdoc/>
    public string Name => "hpet";

    private bool IsEnabled => (_configuration & Enable) != 0;

    private ulong Ticks => (ulong)Rate.TicksAt(_clock.MonotonicNanoseconds);

    /// <inheritdoc/>
    public BusStatus Read(ulong offset, Span<byte> data)
    {
        // Registers are read as a whole or by halves (§2.3).
        if (data.Length is not (4 or 8)) return BusStatus.BadWidth;
        int within = (int)(offset % RegisterBytes);
        if (within % data.Length != 0) return BusStatus.BadOffset;
        Span<byte> register = stackalloc byte[(int)RegisterBytes];
        lock (_lock) BinaryPrimitives.WriteUInt64LittleEndian(register, ReadRegister(offset - (ulong)within));
        register.Slice(within, data.Length).CopyTo(data);
        return BusStatus.Handled;
    }

    /// <inheritdoc/>
    public BusStatus Write(ulong offset, ReadOnlySpan<byte> data)
    {
        if (data.Length is not (4 or 8)) return BusStatus.BadWidth;
        int within = (int)(offset % RegisterBytes);
        if (within % data.Length != 0) return BusStatus.BadOffset;
        ulong value = data.Length == 8 ? BinaryPrimitives.ReadUInt64LittleEndian(data) : (ulong)BinaryPrimitives.ReadUInt32LittleEndian(data) << (within * 8);
        ulong written = data.Length == 8 ? ulong.MaxValue : (ulong)uint.MaxValue << (within * 8);
        lock (_lock)
        {
            Settle();
            WriteRegister(offset - (ulong)within, value, written);
            ArmTimer();
        }
        return BusStatus.Handled;
    }

    /// <summary>Also what the host's timer calls.</summary>
    public void Start()
    {
        lock (_lock)
        {
            Settle();
            ArmTimer();
        }
    }

    /// <inheritdoc/>
    public void Stop() => _timer.Disarm();

    /// <inheritdoc/>
    public void Reset()
    {
        lock (_lock)
        {
            _timer.Disarm();
            _configuration = _counter = _settled = 0;
            _lastInterrupt = 0;
            foreach (HpetTimer timer in _timers) timer.Reset();
            _legacy.Replace(false);
        }
    }

    /// <inheritdoc/>
    public void Exchange(StateFields fields)
    {
        lock (_lock)
        {
            fields.Value("configuration", ref _configuration);
            fields.Value("counter", ref _counter);
            fields.Value("settled", ref _settled);
            fields.Require((_configuration & ~(Enable | LegacyReplacement)) == 0, "configuration");
            fields.Require(IsEnabled || _settled == _counter, "settled");
            for (int i = 0; i < TimerCount; i++) fields.Group($"timer{i}", _timers[i].Exchange);
            if (fields.IsRestoring) Route();
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _timer.Dispose();

    private ulong ReadRegister(ulong register)
    {
        Settle();
        switch (register)
        {
            case CapabilitiesOffset: return (PeriodFemtoseconds << 32) | Identification;
            case ConfigurationOffset: return _configuration;
            case StatusOffset:
                ulong status = 0;
                for (int i = 0; i < TimerCount; i++) status |= _timers[i].Status ? 1UL << i : 0;
                return status;
            case CounterOffset: return _settled;
        }
        if (!IsOfTimer(register, out HpetTimer? timer, out ulong offset)) return 0;
        return offset switch { 0 => timer.Configuration, ComparatorOffset => timer.Comparator, _ => 0 };
    }

    private void WriteRegister(ulong register, ulong value, ulong written)
    {
        switch (register)
        {
            case ConfigurationOffset:
                WriteConfiguration(((_configuration & ~written) | (value & written)) & (Enable | LegacyReplacement));
                return;
            case StatusOffset:
                for (int i = 0; i < TimerCount; i++)
                    if ((value & (1UL << i)) != 0) _timers[i].Acknowledge(IsEnabled);
                return;
            case CounterOffset:
                // What a write does while it counts is not defined (§2.3.7): nothing.
                if (!IsEnabled) _settled = _counter = (_counter & ~written) | (value & written);
                return;
        }
        if (!IsOfTimer(register, out HpetTimer? timer, out ulong offset)) return;
        if (offset == 0) timer.Configure((timer.Configuration & ~written) | (value & written), IsEnabled);
        else if (offset == ComparatorOffset) timer.WriteComparator(value, written);
    }

    private bool IsOfTimer(ulong register, [System.Diagnostics.CodeAnalysis.NotNullWhen(true)] out HpetTimer? timer, out ulong offset)
    {
        ulong number = (register - FirstTimerOffset) >> TimerShift;
        bool exists = register >= FirstTimerOffset && number < TimerCount;
        timer = exists ? _timers[number] : null;
        offset = register & ((1 << TimerShift) - 1);
        return exists && offset < TimerRegisters;
    }

    private void WriteConfiguration(ulong configuration)
    {
        bool wasEnabled = IsEnabled;
        _configuration = configuration;
        if (IsEnabled != wasEnabled) _counter = IsEnabled ? _settled - Ticks : _settled;
        Route();
    }

    private void Route()
    {
        bool isReplacing = (_configuration & LegacyReplacement) != 0;
        foreach (HpetTimer timer in _timers)
        {
            timer.Replace(isReplacing, IsEnabled);
            timer.Drive(IsEnabled);
        }
        _legacy.Replace(isReplacing);
    }

    /// <summary>Tells the timers how far the counter has come.</summary>
    private void Settle()
    {
        ulong counter = IsEnabled ? _counter + Ticks : _counter;
        bool interrupted = false;
        foreach (HpetTimer timer in _timers) interrupted |= timer.Advance(_settled, counter);
        _settled = counter;
        if (interrupted) _lastInterrupt = _clock.MonotonicNanoseconds;
    }

    private void ArmTimer()
    {
        ulong ticks = HpetTimer.Never;
        if (IsEnabled)
            foreach (HpetTimer timer in _timers) ticks = Math.Min(ticks, timer.TicksToInterrupt(_settled));
        if (ticks == HpetTimer.Never) _timer.Disarm();
        else _timer.Arm(Math.Max(Rate.NanosecondsAt((long)(_settled - _counter + Math.Min(ticks, MostTicks))), _lastInterrupt + MinimumNanoseconds));
    }
}
