using System;
using System.Numerics;
using System.Runtime.InteropServices;
using Hutch.Host.Files;
using Hutch.Host.Linux;

namespace Hutch.Host.Memory;

/// <summary>
/// Anonymous, zero-filled memory of this process, between two pages that nobody may touch. It starts at a multiple of its alignment:
/// a page, or 2 MiB where transparent huge pages are asked for, or the size of the huge pages that it is made of. The region owns the mapping: disposing it unmaps, so every pointer taken from
/// <see cref="Start"/> must not outlive it.
/// </summary>
public sealed unsafe partial class MappedRegion : SafeHandle
{
    /// <summary>Bytes of a page.</summary>
    public const ulong PageBytes = 4096;

    private const ulong HugePageBytes = 2 << 20;

    private readonly byte* _reserved;
    private readonly ulong _reservedBytes;

    private bool _showsFile;

    private MappedRegion(byte* reserved, ulong reservedBytes, byte* start, ulong lengthBytes) : base(0, ownsHandle: true)
    {
        SetHandle((nint)start);
        _reserved = reserved;
        _reservedBytes = reservedBytes;
        LengthBytes = lengthBytes;
    }

    /// <inheritdoc/>
    public override bool IsInvalid => handle is 0 or -1;

    /// <summary>First byte of the mapping.</summary>
    public byte* Start => (byte*)handle;

    /// <summary>Length in bytes, a multiple of the page size.</summary>
    public ulong LengthBytes { get; }

    /// <summary>
    /// Maps <paramref name="lengthBytes"/> of private memory, committed only as it is touched.
    /// Throws <see cref="LinuxException"/> when the host refuses.
    /// </summary>
    /// <param name="lengthBytes">Length in bytes; rounded up to whole pages.</param>
    /// <param name="purpose">What the memory is for, used in the error text.</param>
    /// <param name="hugePages">Ask for transparent huge pages.</param>
    /// <param name="poolPageBytes">
    /// Take huge pages of this size from the kernel's pool (hugetlbfs), all reserved here: ENOMEM where there are too few. 0: ordinary pages. The length must be a multiple.
    /// </param>
    public static MappedRegion Allocate(ulong lengthBytes, string purpose, bool hugePages = false, ulong poolPageBytes = 0)
    {
        ulong length = (lengthBytes + PageBytes - 1) & ~(PageBytes - 1);
        ulong alignment = poolPageBytes != 0 ? poolPageBytes : hugePages ? HugePageBytes : PageBytes;
        ulong reservedBytes = length + alignment + PageBytes;
        // The guard pages also keep the kernel from joining the region with its neighbours: it is one line in /proc/PID/smaps.
        byte* reserved = Map(null, reservedBytes, Libc.ProtNone, purpose);
        byte* start = (byte*)(((ulong)reserved + PageBytes + alignment - 1) & ~(alignment - 1));
        MappedRegion region = new(reserved, reservedBytes, start, length);
        try
        {
            _ = Map(start, length, Libc.ProtRead | Libc.ProtWrite, purpose, poolPageBytes);
        }
        catch
        {
            region.Dispose();
            throw;
        }
        if (hugePages) _ = Libc.Madvise(start, (nuint)length, Libc.MadvHugePage);
        return region;
    }

    /// <summary>Memory that a device file shows, as a region that owns nothing: whoever mapped it ends the mapping, after this one was last used.</summary>
    internal static MappedRegion Show(nint start, ulong lengthBytes) => new((byte*)start, 0, (byte*)start, lengthBytes);

    private static byte* Map(byte* at, ulong length, int protection, string purpose, ulong poolPageBytes = 0)
    {
        int flags = Libc.MapPrivate | Libc.MapAnonymous | (at == null ? 0 : Libc.MapFixed);
        // Huge pages that are not reserved now would be missing when the guest touches them, which kills the process.
        flags |= poolPageBytes == 0 ? Libc.MapNoReserve : Libc.MapHugeTlb | BitOperations.Log2(poolPageBytes) << Libc.MapHugeShift;
        void* start = Libc.Mmap(at, (nuint)length, protection, flags, -1, 0);
        if ((nint)start == -1) LinuxException.ThrowLast("mmap", $"{purpose} ({length} bytes)");
        return (byte*)start;
    }

    /// <summary>Makes everything zero: gives the pages back to the host, or clears them where they were taken or locked to stay.</summary>
    public void Discard()
    {
        // Pages of a file would come back as the file has them.
        if (_showsFile) _ = Map(Start, LengthBytes, Libc.ProtRead | Libc.ProtWrite, "Memory");
        // SAFETY: the whole mapping. The kernel refuses to take back locked pages.
        else if (_stays || Libc.Madvise(Start, (nuint)LengthBytes, Libc.MadvDontNeed) != 0) NativeMemory.Clear(Start, (nuint)LengthBytes);
        _showsFile = false;
    }

    /// <summary>
    /// Gives the pages of a range back to the host. They read as zeros then, or as the file that is shown has them; where they were taken or locked to stay, or
    /// belong to huge pages of the pool, nothing happens.
    /// </summary>
    /// <param name="offset">A multiple of the page size.</param>
    /// <param name="lengthBytes">A multiple of the page size.</param>
    public void Discard(ulong offset, ulong lengthBytes)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(lengthBytes, LengthBytes);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(offset, LengthBytes - lengthBytes);
        // SAFETY: the range was just checked against the mapping. A refusal leaves the pages as they are.
        if (!_stays) _ = Libc.Madvise(Start + offset, (nuint)lengthBytes, Libc.MadvDontNeed);
    }

    /// <summary>
    /// Shows a file's bytes, read as they are touched; what is written stays private. The file must be that long, and stay so: a page that has gone from it
    /// ends the process when it is touched. Throws <see cref="LinuxException"/>.
    /// </summary>
    /// <param name="file">The file; it may be closed afterwards.</param>
    /// <param name="fileOffset">Where in the file the region begins, a multiple of the page size.</param>
    public void ShowFile(DiskFile file, long fileOffset)
    {
        bool held = false;
        try
        {
            file.DangerousAddRef(ref held);
            // SAFETY: the fixed address is this region's own, so that nothing else is unmapped.
            void* start = Libc.Mmap(Start, (nuint)LengthBytes, Libc.ProtRead | Libc.ProtWrite, Libc.MapPrivate | Libc.MapFixed | Libc.MapNoReserve,
                (int)file.DangerousGetHandle(), (nint)fileOffset);
            if ((nint)start == -1) LinuxException.ThrowLast("mmap", file.Path);
            _showsFile = true;
        }
        finally
        {
            if (held) file.DangerousRelease();
        }
    }

    /// <inheritdoc/>
    protected override bool ReleaseHandle() => _reservedBytes == 0 || Libc.Munmap(_reserved, (nuint)_reservedBytes) == 0;
}
