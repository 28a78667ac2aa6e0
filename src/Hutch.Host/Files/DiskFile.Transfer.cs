using System;
using System.Runtime.InteropServices;
using Hutch.Host.Linux;

namespace Hutch.Host.Files;

// Reading and writing; length, space and alignment.
public sealed unsafe partial class DiskFile
{
    private const int MaxSegments = 1024;            // IOV_MAX

    // tmpfs, ramfs, hugetlbfs (linux/magic.h).
    private const long TmpfsMagic = 0x01021994, RamfsMagic = 0x858458f6, HugetlbfsMagic = 0x958458f6;

    private volatile bool _readsCached = true;

    /// <summary>The file system keeps everything in memory: requests never wait for a device.</summary>
    public bool IsInMemory()
    {
        Libc.FileSystemStatus status;
        // SAFETY: the kernel fills one structure on this frame.
        return Libc.FileSystemOf(this, &status) == 0 && status.Type is TmpfsMagic or RamfsMagic or HugetlbfsMagic;
    }

    /// <summary>Fills all segments from <paramref name="offset"/> on; what lies behind the end of the file reads as zeros.</summary>
    public void ReadFully(long offset, ReadOnlySpan<IoSegment> segments)
    {
        int index = 0;
        nint within = 0;
        while (index < segments.Length)
        {
            nint done = Transfer(offset, segments[index..], within, write: false, 0);
            if (done < 0) LinuxException.ThrowLast("preadv", Path);
            offset += done;
            Advance(segments, ref index, ref within, done);
            if (done != 0 && !IsTornEnd(offset)) continue;
            Zero(segments[index..], within);
            return;
        }
    }

    /// <summary>
    /// Fills as much from <paramref name="offset"/> on as the page cache holds, without waiting for storage. Returns the bytes done: those from the first one
    /// on; all of them where the rest lies behind the end of the file.
    /// </summary>
    public long ReadCached(long offset, ReadOnlySpan<IoSegment> segments)
    {
        long first = offset;
        int index = 0;
        nint within = 0;
        while (_readsCached && index < segments.Length)
        {
            nint done = Transfer(offset, segments[index..], within, write: false, Libc.TransferNoWait);
            if (done < 0)
            {
                // Other errors are for the request that waits: it meets them again.
                if (Marshal.GetLastPInvokeError() == ErrorNotSupported) _readsCached = false;
                break;
            }
            if (done == 0)
            {
                offset += Zero(segments[index..], within);
                break;
            }
            offset += done;
            Advance(segments, ref index, ref within, done);
        }
        return offset - first;
    }

    /// <summary>Writes all segments from <paramref name="offset"/> on, extending a regular file as needed.</summary>
    /// <param name="offset">Where, in bytes.</param>
    /// <param name="segments">What.</param>
    /// <param name="durable">Returns when it is on stable storage (RWF_DSYNC).</param>
    public void WriteFully(long offset, ReadOnlySpan<IoSegment> segments, bool durable = false)
    {
        int index = 0;
        nint within = 0;
        while (index < segments.Length)
        {
            nint done = Transfer(offset, segments[index..], within, write: true, durable ? Libc.TransferDurable : 0);
            if (done < 0) LinuxException.ThrowLast("pwritev", Path);
            if (done == 0 && segments[index].LengthBytes > within) throw new LinuxException("pwritev", 28, Path);
            offset += done;
            Advance(segments, ref index, ref within, done);
        }
    }

    /// <summary>As <see cref="ReadFully"/>, to one buffer.</summary>
    public void Read(long offset, Span<byte> destination)
    {
        // SAFETY: the buffer is pinned for the call and its length is passed.
        fixed (byte* start = destination) ReadFully(offset, [new IoSegment((nint)start, destination.Length)]);
    }

    /// <summary>As <see cref="WriteFully"/>, from one buffer.</summary>
    public void Write(long offset, ReadOnlySpan<byte> source)
    {
        // SAFETY: as in Read.
        fixed (byte* start = source) WriteFully(offset, [new IoSegment((nint)start, source.Length)]);
    }

    /// <summary>Whether a transfer that ended at <paramref name="offset"/> before its time can only have met the end of the file: direct transfers end at blocks.</summary>
    internal bool IsTornEnd(long offset) => DirectAlignment.OffsetBytes > 1 && offset % DirectAlignment.OffsetBytes != 0;

    // One call, made again where a signal interrupts it; -1 with its error number.
    private nint Transfer(long offset, ReadOnlySpan<IoSegment> segments, nint within, bool write, int flags)
    {
        IoSegment rest = new(segments[0].Address + within, segments[0].LengthBytes - within);
        while (true)
        {
            nint done;
            // SAFETY: the segments name memory that the caller keeps mapped; the kernel checks the ranges again. After a short
            // transfer only the rest of one segment goes on, so that the caller's array is never changed.
            fixed (IoSegment* start = segments)
            {
                IoSegment* first = within == 0 ? start : &rest;
                int count = within == 0 ? Math.Min(segments.Length, MaxSegments) : 1;
                done = write ? Libc.Pwritev(this, first, count, offset, flags) : Libc.Preadv(this, first, count, offset, flags);
            }
            if (done >= 0 || Marshal.GetLastPInvokeError() != Libc.Eintr) return done;
        }
    }

    private static void Advance(ReadOnlySpan<IoSegment> segments, ref int index, ref nint within, nint done)
    {
        within += done;
        while (index < segments.Length && within >= segments[index].LengthBytes) within -= segments[index++].LengthBytes;
    }

    private static long Zero(ReadOnlySpan<IoSegment> segments, nint within)
    {
        long zeroed = 0;
        foreach (IoSegment segment in segments)
        {
            segment.Slice(within, segment.LengthBytes - within).Clear();
            zeroed += segment.LengthBytes - within;
            within = 0;
        }
        return zeroed;
    }

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
