using System;
using System.Threading;
using Hutch.Host.Memory;

namespace Hutch.Core.Memory;

/// <summary>
/// What there is besides RAM: read-only memory below 4 GiB, memory of devices, and parts of the first megabyte that stores, or loads too, do not reach. What does not
/// go to memory arrives as an access to the bus; host-side copies into protected or hidden RAM go through. Most machines have none of this. Any thread.
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

    /// <summary>The most memory of devices together, in bytes.</summary>
    public const ulong MostDeviceBytes = 64 << 20;

    private const ulong PageBytes = 4096;

    private readonly Lock _lock = new();
    private readonly Action<ulong, ulong> _written;
    private RomRegion[] _roms = [];
    private Action[] _observers = [];
    private DeviceMemory[] _devices = [];
    private ulong _protectedSegments, _hiddenSegments;

    internal MemoryLayout(Action<ulong, ulong> written) => _written = written;

    /// <summary>The read-only memory, in the order in which it was added.</summary>
    public ReadOnlySpan<RomRegion> Roms => Volatile.Read(ref _roms);

    /// <summary>The memory of devices, in the order in which it was added.</summary>
    public ReadOnlySpan<DeviceMemory> Devices => Volatile.Read(ref _devices);

    /// <summary>A bit for each segment of the first megabyte that the guest cannot write, lowest address first; hidden ones are among them.</summary>
    public ulong ProtectedSegments => Volatile.Read(ref _protectedSegments) | HiddenSegments;

    /// <summary>A bit for each segment of the first megabyte that is no RAM to the guest at all.</summary>
    public ulong HiddenSegments => Volatile.Read(ref _hiddenSegments);

    /// <summary>Whether some of a range is read-only memory already.</summary>
    public bool HasRom(ulong start, ulong lengthBytes)
    {
        foreach (RomRegion rom in Roms)
            if (start < rom.Start + rom.LengthBytes && rom.Start < start + lengthBytes) return true;
        return false;
    }

    /// <summary>Adds read-only memory that holds zeros. The guest sees it at once. Before vCPUs run.</summary>
    /// <param name="start">Guest physical address, page aligned, from <see cref="RomWindowStart"/> on.</param>
    /// <param name="lengthBytes">Length in whole pages.</param>
    public RomRegion AddRom(ulong start, ulong lengthBytes)
    {
        bool fits = start >= RomWindowStart && start < GuestMemory.HighMemoryStart && lengthBytes != 0
            && lengthBytes <= GuestMemory.HighMemoryStart - start && (start | lengthBytes) % PageBytes == 0;
        if (!fits || HasRom(start, lengthBytes)) throw new ArgumentOutOfRangeException(nameof(start), $"There is no room for {lengthBytes} bytes of read-only memory at 0x{start:x}.");
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

    /// <summary>Sets which segments of the first megabyte a device has in place of RAM: loads and stores there arrive as accesses to the bus.</summary>
    public void HideSegments(ulong mask)
    {
        if (Interlocked.Exchange(ref _hiddenSegments, mask) != mask) Tell();
    }

    /// <summary>Adds memory of a device. It holds zeros and is nowhere yet. Before vCPUs run.</summary>
    /// <param name="name">What it is, for errors of the host's.</param>
    /// <param name="lengthBytes">Length in whole pages; <see cref="MostDeviceBytes"/> for all devices together.</param>
    public DeviceMemory AddDeviceMemory(string name, ulong lengthBytes)
    {
        lock (_lock)
        {
            ulong taken = 0;
            foreach (DeviceMemory other in _devices) taken += other.LengthBytes;
            if (lengthBytes == 0 || lengthBytes % PageBytes != 0 || lengthBytes > MostDeviceBytes - taken)
                throw new ArgumentOutOfRangeException(nameof(lengthBytes), $"There is no room for {lengthBytes} bytes of {name}.");
            DeviceMemory memory = new(MappedRegion.Allocate(lengthBytes, name), lengthBytes, (int)(taken / PageBytes), Tell);
            Volatile.Write(ref _devices, [.. _devices, memory]);
            return memory;
        }
    }

    /// <summary>
    /// Adds memory of a device of the host, which it owns; it is nowhere yet. For a machine whose engine keeps no notes of pages of devices, which KVM does not. Before vCPUs run.
    /// </summary>
    public DeviceMemory AddHostMemory(MappedRegion shown)
    {
        ArgumentNullException.ThrowIfNull(shown);
        DeviceMemory memory = new(shown, shown.LengthBytes, 0, Tell);
        lock (_lock) Volatile.Write(ref _devices, [.. _devices, memory]);
        return memory;
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

    /// <summary>The memory of a device that holds an address, or null.</summary>
    internal DeviceMemory? FindDevice(ulong address)
    {
        foreach (DeviceMemory memory in Devices)
            if (memory.Holds(address)) return memory;
        return null;
    }

    internal void Release()
    {
        foreach (DeviceMemory memory in Devices) memory.Release();
        foreach (RomRegion rom in Roms) rom.Release();
    }

    private void Tell()
    {
        Action[] observers;
        lock (_lock) observers = _observers;
        foreach (Action observer in observers) observer();
    }
}
