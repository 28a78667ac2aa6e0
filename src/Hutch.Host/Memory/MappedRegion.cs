using System.Runtime.InteropServices;
using Hutch.Host.Linux;

namespace Hutch.Host.Memory;

/// <summary>
/// Anonymous, zero-filled memory of this process, page aligned. The region owns the mapping: disposing it unmaps,
/// so every pointer taken from <see cref="Start"/> must not outlive it.
/// </summary>
public sealed unsafe class MappedRegion : SafeHandle
{
    private MappedRegion(void* start, ulong lengthBytes) : base(0, ownsHandle: true)
    {
        SetHandle((nint)start);
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
    public static MappedRegion Allocate(ulong lengthBytes, string purpose, bool hugePages = false)
    {
        ulong length = (lengthBytes + 4095) & ~4095UL;
        void* start = Libc.Mmap(null, (nuint)length, Libc.ProtRead | Libc.ProtWrite,
            Libc.MapPrivate | Libc.MapAnonymous | Libc.MapNoReserve, -1, 0);
        if ((nint)start == -1) LinuxException.ThrowLast("mmap", $"{purpose} ({length} bytes)");
        if (hugePages) _ = Libc.Madvise(start, (nuint)length, Libc.MadvHugePage);
        return new MappedRegion(start, length);
    }

    /// <summary>Gives the pages back to the host; they read as zero afterwards.</summary>
    public void Discard() => _ = Libc.Madvise(Start, (nuint)LengthBytes, Libc.MadvDontNeed);

    /// <inheritdoc/>
    protected override bool ReleaseHandle() => Libc.Munmap((void*)handle, (nuint)LengthBytes) == 0;
}
