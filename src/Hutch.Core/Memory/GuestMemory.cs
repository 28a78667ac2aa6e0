using System;
using System.Runtime.CompilerServices;
using Hutch.Host.Files;
using Hutch.Host.Memory;

namespace Hutch.Core.Memory;

/// <summary>
/// Guest RAM: one host mapping, seen by the guest as [0, low) and, above the 32-bit hole, as [4 GiB, 4 GiB + high). The end of the upper part may be memory that the guest
/// does not have from the start: it is plugged in by a device, and takes nothing of the host until it is touched.
/// No method returns a span over RAM, because the guest may change it at any time. Any thread may call any method.
/// </summary>
public sealed unsafe partial class GuestMemory : IDisposable
{
    /// <summary>Where RAM stops below 4 GiB when there is more: the ECAM window of the q35 layout begins here.</summary>
    public const ulong LowMemoryLimit = 0xB000_0000;

    /// <summary>Where RAM goes on above the hole.</summary>
    public const ulong HighMemoryStart = 0x1_0000_0000;

    private readonly MappedRegion _region;
    private IGuestWriteObserver? _observer;

    private GuestMemory(MappedRegion region, ulong bootBytes, ulong pluggableBytes)
    {
        _region = region;
        BootBytes = bootBytes;
        PluggableBytes = pluggableBytes;
        LowBytes = Math.Min(bootBytes, LowMemoryLimit);
        HighBytes = region.LengthBytes - LowBytes;
        Layout = new MemoryLayout(NotifyWritten);
    }

    /// <summary>The unit in which guests have memory blocks: where memory that can be plugged in begins, and how long it is, are multiples (Linux's memory block, 128 MiB).</summary>
    public const ulong PluggableUnit = 128 << 20;

    /// <summary>All RAM in bytes, with what can be plugged in and the gap before it.</summary>
    public ulong LengthBytes => _region.LengthBytes;

    /// <summary>RAM that the guest has from the start, in bytes.</summary>
    public ulong BootBytes { get; }

    /// <summary>That of it which is above the hole.</summary>
    public ulong BootHighBytes => BootBytes - LowBytes;

    /// <summary>First guest physical address of what can be plugged in.</summary>
    public ulong PluggableStart => PluggableStartOf(BootBytes);

    /// <summary>Length of what can be plugged in; 0: nothing can.</summary>
    public ulong PluggableBytes { get; }

    /// <summary>RAM in [0, <see cref="LowBytes"/>).</summary>
    public ulong LowBytes { get; }

    /// <summary>RAM in [<see cref="HighMemoryStart"/>, + <see cref="HighBytes"/>), with what can be plugged in.</summary>
    public ulong HighBytes { get; }

    /// <summary>What there is besides RAM, and what of RAM the guest cannot write.</summary>
    public MemoryLayout Layout { get; }

    /// <summary>First guest physical address above all RAM.</summary>
    public ulong EndOfRam => HighBytes == 0 ? LowBytes : HighMemoryStart + HighBytes;

    /// <summary>Host address of guest physical 0. For the engines only.</summary>
    internal byte* HostBase => _region.Start;

    /// <summary>Reserves guest RAM; pages are committed as they are touched.</summary>
    /// <param name="lengthBytes">All RAM in bytes.</param>
    /// <param name="hugePages">Align it for transparent huge pages, and ask for them.</param>
    /// <param name="poolPageBytes">Make it of huge pages of this size from the kernel's pool, all reserved at once; 0: ordinary pages.</param>
    public static GuestMemory Create(ulong lengthBytes, bool hugePages = false, ulong poolPageBytes = 0) =>
        Create(lengthBytes, 0, hugePages, poolPageBytes);

    /// <summary>As above, with room for memory that is plugged in later: so many bytes, a multiple of <see cref="PluggableUnit"/>.</summary>
    public static GuestMemory Create(ulong bootBytes, ulong pluggableBytes, bool hugePages, ulong poolPageBytes = 0)
    {
        bootBytes = (bootBytes + (MappedRegion.PageBytes - 1)) & ~(MappedRegion.PageBytes - 1);
        return new GuestMemory(MappedRegion.Allocate(LengthOf(bootBytes, pluggableBytes), "Guest memory", hugePages, poolPageBytes), bootBytes, pluggableBytes);
    }

    /// <summary>Where memory that can be plugged in begins, in a guest that has so much from the start.</summary>
    public static ulong PluggableStartOf(ulong bootBytes) =>
        HighMemoryStart + ((bootBytes - Math.Min(bootBytes, LowMemoryLimit) + (PluggableUnit - 1)) & ~(PluggableUnit - 1));

    /// <summary><see cref="LengthBytes"/> of such a guest.</summary>
    public static ulong LengthOf(ulong bootBytes, ulong pluggableBytes) =>
        pluggableBytes == 0 ? bootBytes : Math.Min(bootBytes, LowMemoryLimit) + (PluggableStartOf(bootBytes) - HighMemoryStart) + pluggableBytes;

    /// <summary>Sets the one observer of host writes (the software engine).</summary>
    public void SetWriteObserver(IGuestWriteObserver? observer) => _observer = observer;

    /// <summary>Host address of a byte that the guest reads without a device, or null. The rest of its 4 KiB page is such too. For the engines only.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal byte* HostAddress(ulong address)
    {
        if (address < LowBytes) return address >= MemoryLayout.SegmentedBytes || (Layout.HiddenSegments >> (int)(address / MemoryLayout.SegmentBytes) & 1) == 0 ? _region.Start + address : null;
        ulong offset = address - HighMemoryStart;
        return offset < HighBytes ? _region.Start + LowBytes + offset : RomHostAddress(address);
    }

    /// <summary>As <see cref="HostAddress"/>, for code: memory of devices is no place from which it is kept translated or decoded.</summary>
    internal byte* CodeHostAddress(ulong address)
    {
        byte* host = HostAddress(address);
        return host != null && Layout.Devices.Length != 0 && Layout.FindDevice(address) is not null ? null : host;
    }

    /// <summary>Whether the guest's stores to an address reach RAM.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool IsWritable(ulong address) => address < MemoryLayout.SegmentedBytes
        ? address < LowBytes && (Layout.ProtectedSegments >> (int)(address / MemoryLayout.SegmentBytes) & 1) == 0
        : address < LowBytes || address - HighMemoryStart < HighBytes || (Layout.Devices.Length != 0 && Layout.FindDevice(address) is not null);

    /// <summary>As <see cref="HostAddress"/>, for a store; null also where it must not go to memory. For the engines only.</summary>
    internal byte* WritableHostAddress(ulong address) => IsWritable(address) ? HostAddress(address) : null;

    /// <summary>Reads an aligned page table entry, which may be in read-only memory too. For the engines only.</summary>
    internal bool TryReadTable<T>(ulong address, out T value) where T : unmanaged
    {
        if (TryRead(address, out value)) return true;
        byte* host = address < LowBytes || address - HighMemoryStart < HighBytes ? null : RomHostAddress(address);
        // SAFETY: an aligned entry does not cross the page that the address is good for.
        if (host != null) value = Unsafe.ReadUnaligned<T>(host);
        return host != null;
    }

    /// <summary>True when [address, address + length) is all RAM.</summary>
    public bool IsRam(ulong address, ulong lengthBytes) => Locate(address, lengthBytes) != null;

    /// <summary>Reads a little-endian integer or blittable structure. False, with no side effect, if any byte is outside RAM.</summary>
    public bool TryRead<T>(ulong address, out T value) where T : unmanaged
    {
        byte* host = Locate(address, (ulong)sizeof(T));
        if (host == null) { value = default; return false; }
        // SAFETY: Locate checked the whole range; the region lives as long as this object.
        value = Unsafe.ReadUnaligned<T>(host);
        return true;
    }

    /// <summary>Writes a little-endian integer or blittable structure. False, with no side effect, if any byte is outside RAM.</summary>
    public bool TryWrite<T>(ulong address, T value) where T : unmanaged
    {
        byte* host = Locate(address, (ulong)sizeof(T));
        if (host == null) return false;
        // SAFETY: as in TryRead.
        Unsafe.WriteUnaligned(host, value);
        NotifyWritten(address, (ulong)sizeof(T));
        return true;
    }

    /// <summary>Copies guest RAM into <paramref name="destination"/>. False, with nothing copied, if any byte is outside RAM.</summary>
    public bool TryCopyOut(ulong address, Span<byte> destination)
    {
        byte* host = Locate(address, (ulong)destination.Length);
        if (host == null) return false;
        new ReadOnlySpan<byte>(host, destination.Length).CopyTo(destination);
        return true;
    }

    /// <summary>Copies <paramref name="source"/> into guest RAM. False, with nothing copied, if any byte is outside RAM.</summary>
    public bool TryCopyIn(ulong address, ReadOnlySpan<byte> source)
    {
        byte* host = Locate(address, (ulong)source.Length);
        if (host == null) return false;
        source.CopyTo(new Span<byte>(host, source.Length));
        NotifyWritten(address, (ulong)source.Length);
        return true;
    }

    /// <summary>Checks a range once for bulk transfer. False if any byte is outside RAM or the length is not in 1..int.MaxValue.</summary>
    public bool TryPin(ulong address, ulong lengthBytes, out GuestBuffer buffer)
    {
        byte* host = lengthBytes is > 0 and <= int.MaxValue ? Locate(address, lengthBytes) : null;
        buffer = host == null ? default : new GuestBuffer(this, address, host, (int)lengthBytes);
        return host != null;
    }

    /// <summary>Zeroes all RAM by giving the pages back to the host.</summary>
    public void Clear()
    {
        _region.Discard();
        NotifyWritten(0, LowBytes);
        if (HighBytes != 0) NotifyWritten(HighMemoryStart, HighBytes);
    }

    /// <summary>
    /// Gives whole pages back to the host, which the guest says to need no more; what it reads there afterwards is not told. Pages that were taken or locked to
    /// stay do stay. False, with nothing done, where the range is not all RAM or not of pages.
    /// </summary>
    public bool TryRelease(ulong address, ulong lengthBytes)
    {
        byte* host = lengthBytes == 0 || ((address | lengthBytes) & (MappedRegion.PageBytes - 1)) != 0 ? null : Locate(address, lengthBytes);
        if (host == null) return false;
        _region.Discard((ulong)(host - _region.Start), lengthBytes);
        NotifyWritten(address, lengthBytes);
        return true;
    }

    /// <summary>
    /// Shows RAM as a file has it, page by page as the guest touches them; the file stays as it is. RAM above the hole follows that below it. No vCPU runs.
    /// Throws <see cref="Hutch.Host.Linux.LinuxException"/>.
    /// </summary>
    /// <param name="file">As long as RAM from <paramref name="fileOffset"/> on, for as long as the machine lives; it may be closed.</param>
    /// <param name="fileOffset">A multiple of 4096.</param>
    public void ShowFile(DiskFile file, long fileOffset)
    {
        _region.ShowFile(file, fileOffset);
        NotifyWritten(0, LowBytes);
        if (HighBytes != 0) NotifyWritten(HighMemoryStart, HighBytes);
    }

    /// <summary>Copies RAM out by its place among all RAM, without the hole. No vCPU runs. The range must lie within <see cref="LengthBytes"/>.</summary>
    public void CopyOut(ulong offset, Span<byte> destination)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(offset, LengthBytes - (ulong)destination.Length);
        // SAFETY: the range was just checked against the region's length.
        new ReadOnlySpan<byte>(_region.Start + offset, destination.Length).CopyTo(destination);
    }

    /// <summary>The reverse of <see cref="CopyOut"/>.</summary>
    public void CopyIn(ulong offset, ReadOnlySpan<byte> source)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(offset, LengthBytes - (ulong)source.Length);
        // SAFETY: as in CopyOut.
        source.CopyTo(new Span<byte>(_region.Start + offset, source.Length));
        // A range across the hole is two.
        if (offset < LowBytes) NotifyWritten(offset, Math.Min((ulong)source.Length, LowBytes - offset));
        ulong end = offset + (ulong)source.Length, high = Math.Max(offset, LowBytes);
        if (end > high) NotifyWritten(HighMemoryStart + (high - LowBytes), end - high);
    }

    // Kept out of line: only what is no RAM comes here.
    private byte* RomHostAddress(ulong address)
    {
        if (Layout.FindRom(address) is RomRegion rom) return rom.HostStart + (address - rom.Start);
        return Layout.FindDevice(address) is DeviceMemory memory ? memory.HostAddress(address) : null;
    }

    internal void NotifyWritten(ulong address, ulong lengthBytes) => _observer?.OnHostWrite(address, lengthBytes);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private byte* Locate(ulong address, ulong length)
    {
        // SAFETY: both comparisons are written so that no sum can wrap.
        if (length <= LowBytes && address <= LowBytes - length) return _region.Start + address;
        ulong offset = address - HighMemoryStart;
        return length <= HighBytes && offset <= HighBytes - length ? _region.Start + LowBytes + offset : null;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _region.Dispose();
        Layout.Release();
    }
}
