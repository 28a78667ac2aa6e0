using System;
using System.Runtime.InteropServices;
using Hutch.Host.Linux;

namespace Hutch.Host.Files;

/// <summary>What direct transfers (O_DIRECT) must be multiples of; 1 where nothing is asked.</summary>
/// <param name="MemoryBytes">Alignment of memory, in bytes.</param>
/// <param name="OffsetBytes">Alignment of offsets and lengths, in bytes.</param>
public readonly record struct DirectAlignment(int MemoryBytes, int OffsetBytes);

// Length, space and alignment.
public sealed unsafe partial class DiskFile
{
    private const int LargestAlignment = 4096;

    /// <summary>What transfers must be multiples of, as <see cref="FindDirectAlignment"/> found it; nothing before.</summary>
    public DirectAlignment DirectAlignment { get; private set; } = new(1, 1);

    /// <summary>Finds out what direct transfers must be multiples of: asks the kernel (statx(2), since 6.1), else the device, else tries.</summary>
    public void FindDirectAlignment()
    {
        Libc.FileStatus status = GetStatus(Libc.StatxBasicStats | Libc.StatxDirectAlignment);
        if ((status.Mask & Libc.StatxDirectAlignment) != 0)
        {
            // Zero: the file system carries direct transfers out as others.
            DirectAlignment = new((int)Math.Max(1, status.DirectMemoryAlignment), (int)Math.Max(1, status.DirectOffsetAlignment));
            return;
        }
        int sector = 0;
        // SAFETY: the kernel writes one int on this frame.
        if (Kind == DiskFileKind.BlockDevice && Libc.BlockIoctl(this, Libc.BlockSectorBytes, &sector) == 0 && sector is >= 512 and <= 65536)
            DirectAlignment = new(sector, sector);
        else DirectAlignment = ProbeAlignment();
    }

    /// <summary>Makes a regular file this long; what is new reads as zeros and takes no space.</summary>
    public void SetLength(long lengthBytes)
    {
        while (Libc.Ftruncate((int)handle, (nint)lengthBytes) != 0)
            if (Marshal.GetLastPInvokeError() != Libc.Eintr) LinuxException.ThrowLast("ftruncate", Path);
    }

    /// <summary>Takes space for a range, which makes the file as long as it must be and changes no content. False where the file system cannot.</summary>
    public bool TryReserve(long offset, long lengthBytes) => TryAllocate(0, offset, lengthBytes);

    /// <summary>Gives a range back to the file system; it reads as zeros and the length stays. False where the file system cannot.</summary>
    public bool TryPunchHole(long offset, long lengthBytes) =>
        TryAllocate(Libc.FallocPunchHole | Libc.FallocKeepSize, offset, lengthBytes);

    /// <summary>Makes a range read as zeros, keeps its space, and makes the file as long as it must be. False where the file system or device cannot.</summary>
    public bool TryZeroRange(long offset, long lengthBytes)
    {
        if (Kind != DiskFileKind.BlockDevice) return TryAllocate(Libc.FallocZeroRange, offset, lengthBytes);
        return TryAllocate(Libc.FallocZeroRange | Libc.FallocKeepSize, offset, lengthBytes) || TryDevice(Libc.BlockZeroOut, offset, lengthBytes);
    }

    /// <summary>Says that a range's content is no longer needed. False where the file system or device cannot be told.</summary>
    public bool TryDiscard(long offset, long lengthBytes) =>
        Kind == DiskFileKind.BlockDevice ? TryDevice(Libc.BlockDiscard, offset, lengthBytes) : TryPunchHole(offset, lengthBytes);

    /// <summary>
    /// Finds the extent that begins at <paramref name="offset"/>: whether it holds data, and where it ends (at most the file's end).
    /// A file system without holes reports data.
    /// </summary>
    public (bool HasData, long EndOffset) FindExtent(long offset, long fileLengthBytes)
    {
        long data = Libc.Lseek(this, offset, Libc.SeekData);
        if (data < 0) return Marshal.GetLastPInvokeError() == ErrorNoDevice ? (false, fileLengthBytes) : (true, fileLengthBytes);
        if (data > offset) return (false, Math.Min(data, fileLengthBytes));
        long hole = Libc.Lseek(this, offset, Libc.SeekHole);
        return (true, hole <= offset ? fileLengthBytes : Math.Min(hole, fileLengthBytes));
    }

    private bool TryAllocate(int mode, long offset, long lengthBytes)
    {
        while (Libc.Fallocate(this, mode, offset, lengthBytes) != 0)
        {
            int error = Marshal.GetLastPInvokeError();
            if (IsUnsupported(error)) return false;
            if (error != Libc.Eintr) LinuxException.ThrowLast("fallocate", Path);
        }
        return true;
    }

    private bool TryDevice(uint request, long offset, long lengthBytes)
    {
        ulong* range = stackalloc ulong[2] { (ulong)offset, (ulong)lengthBytes };
        // SAFETY: both requests read two 64-bit numbers.
        while (Libc.BlockIoctl(this, request, range) != 0)
        {
            int error = Marshal.GetLastPInvokeError();
            if (IsUnsupported(error)) return false;
            if (error != Libc.Eintr) LinuxException.ThrowLast("ioctl", Path);
        }
        return true;
    }

    // EINVAL, ENODEV, ENOTTY, ENOSYS, EOPNOTSUPP, and EPERM, which sealed or append-only files and some file systems give.
    private static bool IsUnsupported(int error) => error is 22 or 19 or 25 or 38 or ErrorNotSupported or 1;

    private DirectAlignment ProbeAlignment()
    {
        using NativeBuffer buffer = new(2 * LargestAlignment);
        int offset = LargestAlignment, memory = LargestAlignment;
        // Of an empty file nothing can be learnt: every read meets its end.
        if (GetLengthBytes() == 0) return new(memory, offset);
        for (int trial = LargestAlignment / 2; trial >= 512 && CanRead(trial, buffer.Segment(0, trial)); trial /= 2) offset = trial;
        for (int trial = LargestAlignment / 2; trial >= 4 && CanRead(0, buffer.Segment(trial, offset)); trial /= 2) memory = trial;
        return new(memory, offset);
    }

    private bool CanRead(long offset, IoSegment segment) => Transfer(offset, [segment], 0, write: false, 0) >= 0;
}
