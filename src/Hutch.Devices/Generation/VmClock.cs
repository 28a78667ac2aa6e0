using System;
using System.Buffers.Binary;
using System.Threading;
using Hutch.Core.Engine;
using Hutch.Core.Memory;
using Hutch.Core.State;
using Hutch.Host.Files;
using Hutch.Host.Time;
using Hutch.Model.Machine;

namespace Hutch.Devices.Generation;

/// <summary>
/// The VM clock (Linux, uapi/linux/vmclock-abi.h): a read-only page with the time stamp counter and UTC at one moment, and how long a tick is, by which programs in the guest
/// have the host's time without asking it. A number in it is another after every pause and restore, while which the counter stood and real time did not. It is written anew
/// every second; an engine that cannot read both clocks at once has it without a time, as QEMU always does.
/// </summary>
internal sealed class VmClock : IDevice
{
    /// <summary>Where the page is; the DSDT tells it. The page before it is the generation identifier's.</summary>
    internal const ulong Address = MemoryLayout.RomWindowStart + GuestPage.Bytes;

    // Offsets in the structure, and what stands there.
    private const int SequenceOffset = 12, MarkerOffset = 16, FlagsOffset = 24, StatusOffset = 34, ShiftOffset = 39, CounterOffset = 40, PeriodOffset = 48, SecondsOffset = 72, FractionOffset = 80, GenerationOffset = 104;
    private const int StructureBytes = 112, CounterIdOffset = 10;
    private const uint Magic = 0x4b4c_4356;
    private const ushort Version = 1;
    private const ulong HasGeneration = 1 << 8;
    private const byte Undecided = 0, TimeStampCounter = 1, NoCounter = 0xff;
    private const byte Unknown = 0, Unreliable = 4;

    private const long UpdateNanoseconds = 1_000_000_000;

    private readonly Lock _lock = new();
    private readonly RomRegion _page;
    private readonly Func<ClockPair?> _read;
    private readonly IClock _clock;
    private readonly IHostTimer _timer;
    private readonly byte[] _structure = new byte[StructureBytes];
    private uint _sequence;
    private ulong _marker, _generation = 1;
    private byte _counterId;

    // The new generation of a restored machine waits until it runs: what was restored is what was saved.
    private bool _isCopy;

    internal VmClock(VmClockConfig config, MachineServices services)
    {
        Name = config.Id;
        _page = GuestPage.Add(config.Id, Address, services);
        _read = services.ReadClocks;
        _clock = services.Timers.Clock;
        _timer = services.Timers.CreateTimer("vmclock", OnTimer);
        services.ClocksWentOn += OnClocksWentOn;
    }

    /// <inheritdoc/>
    public string Name { get; }

    /// <summary>Nothing yet: the guest's clocks go on after the devices.</summary>
    public void Start() { }

    /// <inheritdoc/>
    public void Stop() => _timer.Disarm();

    /// <summary>The guest that starts now is told anew whether there is a time.</summary>
    public void Reset()
    {
        lock (_lock)
        {
            _counterId = Undecided;
            _isCopy = false;
        }
    }

    /// <inheritdoc/>
    public void Exchange(StateFields fields)
    {
        lock (_lock)
        {
            fields.Value("sequence", ref _sequence);
            fields.Value("marker", ref _marker);
            fields.Value("generation", ref _generation);
            fields.Value("counter", ref _counterId);
            fields.Require(_counterId is Undecided or TimeStampCounter or NoCounter, "counter");
            fields.Require((_sequence & 1) == 0, "sequence");
            _isCopy |= fields.IsRestoring;
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _timer.Dispose();

    private void OnClocksWentOn()
    {
        lock (_lock)
        {
            _marker++;
            if (_isCopy) _generation = RandomNumber();
            _isCopy = false;
            Update();
        }
    }

    private void OnTimer()
    {
        lock (_lock) Update();
    }

    private void Update()
    {
        ClockPair? pair = _read();
        // What counts is a constant for the guest, which looks once.
        if (_counterId == Undecided) _counterId = pair is null ? NoCounter : TimeStampCounter;
        Fill(_counterId == TimeStampCounter ? pair : null);
        Publish();
        if (_counterId == TimeStampCounter) _timer.Arm(_clock.MonotonicNanoseconds + UpdateNanoseconds);
    }

    private void Fill(ClockPair? pair)
    {
        Span<byte> structure = _structure;
        structure.Clear();
        BinaryPrimitives.WriteUInt32LittleEndian(structure, Magic);
        BinaryPrimitives.WriteUInt32LittleEndian(structure[4..], GuestPage.Bytes);
        BinaryPrimitives.WriteUInt16LittleEndian(structure[8..], Version);
        structure[CounterIdOffset] = _counterId;                            // the type of time that follows it is 0, UTC
        BinaryPrimitives.WriteUInt64LittleEndian(structure[MarkerOffset..], _marker);
        BinaryPrimitives.WriteUInt64LittleEndian(structure[FlagsOffset..], HasGeneration);
        BinaryPrimitives.WriteUInt64LittleEndian(structure[GenerationOffset..], _generation);
        // Whether the host's own clock is right nobody here knows. A guest that had a time and has none any more must not go on with it.
        structure[StatusOffset] = _counterId == TimeStampCounter && pair is null ? Unreliable : Unknown;
        if (pair is not ClockPair now) return;
        (ulong period, byte shift) = PeriodOf(now.TscKhz * 1000);
        long ticks = Math.Max(0, (now.Wall - DateTimeOffset.UnixEpoch).Ticks);
        structure[ShiftOffset] = shift;
        BinaryPrimitives.WriteUInt64LittleEndian(structure[CounterOffset..], now.Tsc);
        BinaryPrimitives.WriteUInt64LittleEndian(structure[PeriodOffset..], period);
        BinaryPrimitives.WriteUInt64LittleEndian(structure[SecondsOffset..], (ulong)(ticks / TimeSpan.TicksPerSecond));
        BinaryPrimitives.WriteUInt64LittleEndian(structure[FractionOffset..], (ulong)(((UInt128)(ulong)(ticks % TimeSpan.TicksPerSecond) << 64) / TimeSpan.TicksPerSecond));
    }

    /// <summary>A tick in units of 1 / 2^(64 + shift) seconds, with as many digits as there is room for.</summary>
    internal static (ulong Period, byte Shift) PeriodOf(ulong hertz)
    {
        int shift = 63 - System.Numerics.BitOperations.LeadingZeroCount((hertz - 1) | 1);
        return ((ulong)((UInt128.One << (64 + shift)) / hertz), (byte)shift);
    }

    /// <summary>The sequence number is odd while the rest changes. A reader on another vCPU sees the stores in their order.</summary>
    private void Publish()
    {
        WriteSequence(_sequence + 1);
        _page.Write(0, _structure.AsSpan(0, SequenceOffset));
        _page.Write(MarkerOffset, _structure.AsSpan(MarkerOffset));
        WriteSequence(_sequence + 1);
    }

    private void WriteSequence(uint sequence)
    {
        _sequence = sequence;
        Span<byte> bytes = stackalloc byte[sizeof(uint)];
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, sequence);
        Interlocked.MemoryBarrier();
        _page.Write(SequenceOffset, bytes);
        Interlocked.MemoryBarrier();
    }

    private static ulong RandomNumber()
    {
        Span<byte> bytes = stackalloc byte[sizeof(ulong)];
        HostRandom.Fill(bytes);
        return BinaryPrimitives.ReadUInt64LittleEndian(bytes);
    }
}
