using System;
using System.Runtime.InteropServices;
using Hutch.Host.Linux;

namespace Hutch.Host.Files;

// Reading and writing.
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
}
