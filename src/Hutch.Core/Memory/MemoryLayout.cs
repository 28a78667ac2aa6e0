using System;
using System.Threading;
using Hutch.Host.Memory;

namespace Hutch.Core.Memory;

/// <summary>
/// What firmware needs besides RAM: read-only memory below 4 GiB, and parts of the first megabyte that stores do not reach. A store to either arrives as an
/// access to the bus; host-side copies into protected RAM go through. A machine without firmware has none of this. Any thread.
/// </summary>
public sealed class MemoryLayout
{
    /// <summary>Where read-only memory may begin; it ends at 4 GiB at the latest.</summary>
    public const ulong RomWindowStart = 0xFF00_0000;

    /// <summary>Length of that window in bytes.</summary>
    public const ulong RomWindowBytes = GuestMemory.HighMemoryStart - RomWindowStart;

    /// <summary>RAM below this is protected in segments of <see cref="SegmentBytes"/>, one for each bit of a mask.</summary>
    public const ulong SegmentedBytes = 1 << 20;

    /// <summary>Length of a segment in bytes.</summary>
    public const ulong SegmentBytes = SegmentedBytes / 64;

    private const ulong PageBytes = 4096;

    private readonly Lock _lock = new();
    private readonly Action<ulong, ulong> _written;
    private RomRegion[] _roms = [];
    private Action[] _observers = [];
    private ulong _protectedSegments;

    internal MemoryLayout(Action<ulong, ulong> written) => _written = written;

    /// <summary>The read-only memory, in the order in which it was added.</summary>
    public ReadOnlySpan<RomRegion> Roms => Volatile.Read(ref _roms);

    /// <summary>A bit for each segment of the first megabyte that the guest cannot write, lowest address first.</summary>
    public ulong ProtectedSegments => Volatile.Read(ref _protectedSegments);

    /// <summary>Adds read-only memory that holds zeros. The guest sees it at once. Before vCPUs run.</summary>
    /// <param name="start">Guest physical address, page aligned, from <see cref="RomWindowStart"/> on.</param>
    /// <param name="lengthBytes">Length in whole pages.</param>
    public RomRegion AddRom(ulong start, ulong lengthBytes)
    {
        bool fits = start >= RomWindowStart && start < GuestMemory.HighMemoryStart && lengthBytes != 0
            && lengthBytes <= GuestMemory.HighMemoryStart - start && (start | lengthBytes) % PageBytes == 0;
        foreach (RomRegion other in Roms) fits &= start >= other.Start + other.LengthBytes || other.Start >= start + lengthBytes;
        if (!fits) throw new ArgumentOutOfRangeException(nameof(start), $"There is no room for {lengthBytes} bytes of read-only memory at 0x{start:x}.");
        RomRegion rom = new(start, MappedRegion.Allocate(lengthBytes, "Firmware"), lengthBytes, _written, Tell);
        lock (_lock) Volatile.Write(ref _roms, [.. _roms, rom]);
        Tell();
        return rom;
    }

    /// <summary>Sets which segments of the first megabyte the guest can read and execute but not write.</summary>
    public void ProtectSegments(ulong mask)
    {
        if (Interlocked.Exchange(ref _protectedSegments, mask) != mask) Tell();
    }

    /// <summary>From now on the call tells of every change: memory was added, shown, hidden, or its protection changed.</summary>
    public void AddObserver(Action changed)
    {
        lock (_lock) _observers = [.. _observers, changed];
    }

    /// <summary>Ends that.</summary>
    public void RemoveObserver(Action changed)
    {
        lock (_lock) _observers = Array.FindAll(_observers, observer => observer != changed);
    }

    /// <summary>The visible read-only memory that holds an address, or null.</summary>
    internal RomRegion? FindRom(ulong address)
    {
        foreach (RomRegion rom in Roms)
            if (address - rom.Start < rom.LengthBytes) return rom.IsVisible ? rom : null;
        return null;
    }

    internal void Release()
    {
        foreach (RomRegion rom in Roms) rom.Release();
    }

    private void Tell()
    {
        Action[] observers;
        lock (_lock) observers = _observers;
        foreach (Action observer in observers) observer();
    }
}
