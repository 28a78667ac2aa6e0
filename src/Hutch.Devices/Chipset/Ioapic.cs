using System;
using System.Buffers.Binary;
using System.Threading;
using Hutch.Core.Bus;
using Hutch.Core.Interrupts;
using Hutch.Core.State;
using Hutch.Host.Time;

namespace Hutch.Devices.Chipset;

/// <summary>
/// The I/O APIC: Intel 82093AA data sheet (290566) with the EOI register of version 0x20 (Intel ICH9 data sheet §13.5.6).
/// Its lock is taken inside device locks and the GSI controller's, and only the engine's router is called while it is held.
/// A pin that stays asserted through a thousand interrupts has the next one a millisecond later: hardware takes its time, too, and a driver that another handler
/// must help on (Linux's 8139cp may unmask its card between two polls) would else never be executed again.
/// </summary>
internal sealed class Ioapic : IBusDevice, IStateUnit, IDisposable
{
    /// <summary>Interrupt inputs.</summary>
    public const int PinCount = 24;

    /// <summary>Physical address of the registers.</summary>
    public const ulong BaseAddress = 0xFEC0_0000;

    /// <summary>Length of the register window in bytes.</summary>
    public const ulong LengthBytes = 0x1000;

    private const ulong SelectOffset = 0x00, WindowOffset = 0x10, EoiOffset = 0x40;
    private const uint Version = 0x20 | ((PinCount - 1) << 16);

    // Redirection table entry (82093AA §3.2.4).
    private const ulong VectorMask = 0xff, LogicalDestination = 1 << 11, DeliveryStatus = 1 << 12, RemoteIrr = 1 << 14;
    private const ulong LevelTriggered = 1 << 15, Masked = 1 << 16, ReadOnlyBits = DeliveryStatus | RemoteIrr;
    private const ulong WritableBits = 0xff00_0000_0001_ffff & ~ReadOnlyBits;

    private const int MostSuccessive = 1000;
    private const long HoldNanoseconds = 1_000_000;

    private readonly Lock _lock = new();
    private readonly IInterruptRouter _router;
    private readonly ITimerService _timers;
    private readonly IHostTimer _timer;
    private readonly ulong[] _entries = new ulong[PinCount];

    // How many times in a row each pin was still asserted at the end of its interrupt, and the pins that wait for the timer.
    private readonly int[] _successive = new int[PinCount];
    private uint _levels, _held, _id;
    private byte _select;

    /// <summary>Creates the controller with all pins masked.</summary>
    public Ioapic(IInterruptRouter router, ITimerService timers)
    {
        _router = router;
        _timers = timers;
        _timer = timers.CreateTimer("ioapic", ReleaseHeld);
        Reset();
    }

    /// <inheritdoc/>
    public string Name => "ioapic";

    /// <summary>Sets the level of one pin. Polarity is the wire's affair: asserted is asserted.</summary>
    public void SetInput(int pin, bool asserted)
    {
        uint bit = 1u << pin;
        lock (_lock)
        {
            bool was = (_levels & bit) != 0;
            if (asserted) _levels |= bit;
            else
            {
                _levels &= ~bit;
                _held &= ~bit;
                _successive[pin] = 0;
            }
            // An edge on a masked pin is lost (82093AA §3.2.4, interrupt mask).
            if (asserted && (!was || IsLevel(pin))) Deliver(pin);
        }
    }

    /// <summary>A level-triggered interrupt of this vector was ended: pins that are still asserted deliver again.</summary>
    public void EndOfInterrupt(byte vector)
    {
        lock (_lock)
            for (int pin = 0; pin < PinCount; pin++)
            {
                ulong entry = _entries[pin];
                if ((entry & VectorMask) != vector || (entry & RemoteIrr) == 0) continue;
                _entries[pin] = entry & ~RemoteIrr;
                if ((_levels & (1u << pin)) != 0 && ++_successive[pin] >= MostSuccessive) Hold(pin);
                DeliverLevel(pin);
            }
    }

    /// <inheritdoc/>
    public BusStatus Read(ulong offset, Span<byte> data)
    {
        if (data.Length != 4) return BusStatus.BadWidth;
        uint value;
        lock (_lock)
            switch (offset)
            {
                case SelectOffset: value = _select; break;
                case WindowOffset: value = ReadIndexed(_select); break;
                case EoiOffset: value = 0; break;
                default: return BusStatus.BadOffset;
            }
        BinaryPrimitives.WriteUInt32LittleEndian(data, value);
        return BusStatus.Handled;
    }

    /// <inheritdoc/>
    public BusStatus Write(ulong offset, ReadOnlySpan<byte> data)
    {
        // The index register is eight bits wide, and some guests write just those.
        if (data.Length != 4 && !(offset is SelectOffset or EoiOffset && data.Length < 4)) return BusStatus.BadWidth;
        switch (offset)
        {
            case SelectOffset:
                lock (_lock) _select = data[0];
                return BusStatus.Handled;
            case WindowOffset:
                uint value = BinaryPrimitives.ReadUInt32LittleEndian(data);
                lock (_lock) WriteIndexed(_select, value);
                return BusStatus.Handled;
            case EoiOffset:
                EndOfInterrupt(data[0]);
                return BusStatus.Handled;
            default:
                return BusStatus.BadOffset;
        }
    }

    /// <summary>Also lets pins deliver that waited when the machine was saved.</summary>
    public void Start() => ReleaseHeld();

    /// <inheritdoc/>
    public void Stop() { }

    /// <inheritdoc/>
    public void Reset()
    {
        lock (_lock)
        {
            _select = 0;
            _id = 0;
            _held = 0;
            Array.Clear(_successive);
            Array.Fill(_entries, Masked);
            for (int pin = 0; pin < PinCount; pin++) _router.SetLevelRoute(pin, null);
        }
    }

    /// <inheritdoc/>
    public void Exchange(StateFields fields)
    {
        lock (_lock)
        {
            // The levels too: a device that drives its wire again after this must not make an edge of it.
            fields.Value("levels", ref _levels);
            fields.Value("id", ref _id);
            fields.Value("select", ref _select);
            fields.Numbers("entries", _entries);
            fields.Require(_levels >> PinCount == 0, "levels");
            foreach (ulong entry in _entries) fields.Require((entry & ~(WritableBits | ReadOnlyBits)) == 0, "entries");
        }
    }

    private uint ReadIndexed(byte index)
    {
        if (index is 0 or 2) return _id;
        if (index == 1) return Version;
        int entry = (index - 0x10) >> 1;
        if (index < 0x10 || entry >= PinCount) return 0;
        return (uint)((index & 1) == 0 ? _entries[entry] : _entries[entry] >> 32);
    }

    private void WriteIndexed(byte index, uint value)
    {
        if (index == 0) _id = value & 0x0f00_0000;
        int pin = (index - 0x10) >> 1;
        if (index < 0x10 || pin >= PinCount) return;
        ulong old = _entries[pin];
        ulong written = (index & 1) == 0 ? (old & ~0xffff_fffful) | value : (uint)old | ((ulong)value << 32);
        ulong entry = (written & WritableBits) | (old & ReadOnlyBits);
        // Remote IRR has no meaning for edge-triggered pins; guests switch the mode to and fro to clear it.
        if ((entry & LevelTriggered) == 0) entry &= ~RemoteIrr;
        _entries[pin] = entry;
        // A masked pin keeps its route: its last interrupt may not have been ended yet.
        if ((entry & Masked) == 0) _router.SetLevelRoute(pin, IsTracked(entry) ? Message(entry) : null);
        DeliverLevel(pin);
    }

    private bool IsLevel(int pin) => (_entries[pin] & LevelTriggered) != 0;

    /// <inheritdoc/>
    public void Dispose() => _timer.Dispose();

    private void Hold(int pin)
    {
        _successive[pin] = 0;
        _held |= 1u << pin;
        _timer.Arm(_timers.Clock.MonotonicNanoseconds + HoldNanoseconds);
    }

    private void ReleaseHeld()
    {
        lock (_lock)
        {
            _held = 0;
            for (int pin = 0; pin < PinCount; pin++) DeliverLevel(pin);
        }
    }

    private void DeliverLevel(int pin)
    {
        if (IsLevel(pin) && (_levels & ~_held & (1u << pin)) != 0) Deliver(pin);
    }

    private void Deliver(int pin)
    {
        ulong entry = _entries[pin];
        if ((entry & (Masked | RemoteIrr)) != 0) return;
        if (IsTracked(entry)) _entries[pin] = entry | RemoteIrr;
        _router.SignalMsi(Message(entry));
    }

    // Only fixed and lowest-priority interrupts are ended with an EOI; the other modes are edges whatever the entry says.
    private static bool IsTracked(ulong entry) => (entry & LevelTriggered) != 0 && ((entry >> 8) & 7) <= 1;

    private static MsiMessage Message(ulong entry)
    {
        ulong address = 0xFEE0_0000 | ((entry >> 56) << 12) | ((entry & LogicalDestination) != 0 ? 4u : 0u);
        return new MsiMessage(address, (uint)(entry & 0x7ff) | (1 << 14) | (IsTracked(entry) ? 1u << 15 : 0));
    }
}
