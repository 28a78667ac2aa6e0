using System;
using System.Runtime.InteropServices;
using Hutch.Host.Linux;

namespace Hutch.Host.Files;

/// <summary>What kind of thing a path names.</summary>
public enum DiskFileKind
{
    /// <summary>A regular file.</summary>
    Regular,

    /// <summary>A block device.</summary>
    BlockDevice,

    /// <summary>A directory.</summary>
    Directory,

    /// <summary>Anything else: a character device, a pipe, a socket.</summary>
    Other,
}

/// <summary>
/// An open file or block device for positioned I/O. Any thread; calls block. Failures throw <see cref="LinuxException"/> with the errno.
/// </summary>
public sealed unsafe class DiskFile : SafeHandle
{
    private const int ErrorAccess = 13, ErrorNoDevice = 6, ErrorNotSupported = 95;
    private const int MaxSegments = 1024;            // IOV_MAX

    private DiskFile(int descriptor, string path) : base(-1, ownsHandle: true)
    {
        SetHandle(descriptor);
        Path = path;
    }

    /// <summary>The path as it was opened.</summary>
    public string Path { get; }

    /// <summary>What was opened.</summary>
    public DiskFileKind Kind { get; private set; }

    /// <inheritdoc/>
    public override bool IsInvalid => handle == -1;

    /// <summary>Opens an existing file. Never blocks on a pipe without a writer. A directory opens only read-only.</summary>
    public static DiskFile Open(string path, bool readOnly)
    {
        int descriptor = Libc.Open(path, (readOnly ? Libc.OpenReadOnly : Libc.OpenReadWrite)
            | Libc.OpenCloexec | Libc.OpenNonBlock | Libc.OpenNoCtty, 0);
        if (descriptor < 0) LinuxException.ThrowLast("open", path);
        DiskFile file = new(descriptor, path);
        file.FindKind();
        return file;
    }

    /// <summary>Opens a file for reading and writing, creating it for this user alone, empties it and locks it; null when another holds the lock. Follows no link.</summary>
    internal static DiskFile? OpenLocked(string path)
    {
        while (true)
        {
            int descriptor = Libc.Open(path, Libc.OpenReadWrite | Libc.OpenCreate | Libc.OpenNoFollow | Libc.OpenCloexec | Libc.OpenNonBlock | Libc.OpenNoCtty, 0x180);
            if (descriptor < 0) LinuxException.ThrowLast("open", path);
            DiskFile file = new(descriptor, path);
            Libc.FileLockRange range = new() { Type = Libc.LockWrite };
            if (Libc.FcntlLock(file, Libc.FcntlOfdSetLock, &range) != 0)
            {
                file.Dispose();
                return null;
            }
            file.FindKind();
            // The last holder may have removed the file between our opening and locking it.
            if (!file.IsAt(path)) file.Dispose();
            else if (file.Kind != DiskFileKind.Regular || Libc.Ftruncate(descriptor, 0) == 0) return file;
            else LinuxException.ThrowLast("ftruncate", path);
        }
    }

    /// <summary>Length in bytes now; of a block device, its capacity.</summary>
    public long GetLengthBytes()
    {
        long length = Libc.Lseek(this, 0, Libc.SeekEnd);
        if (length < 0) LinuxException.ThrowLast("lseek", Path);
        return length;
    }

    /// <summary>Bytes of the file system that the file takes now.</summary>
    public long GetAllocatedBytes() => checked((long)GetStatus().Blocks * 512);

    /// <summary>Inode number, as in /proc/locks.</summary>
    public ulong GetInode() => GetStatus().Inode;

    /// <summary>The owner's user id and the mode's permission bits.</summary>
    internal (uint User, int Mode) GetOwner()
    {
        Libc.FileStatus status = GetStatus();
        return (status.User, status.Mode & 0xfff);
    }

    /// <summary>Fills all segments from <paramref name="offset"/> on; what lies behind the end of the file reads as zeros.</summary>
    public void ReadFully(long offset, ReadOnlySpan<IoSegment> segments)
    {
        int index = 0;
        nint within = 0;
        while (index < segments.Length)
        {
            nint done = Transfer(offset, segments[index..], within, write: false);
            if (done == 0)
            {
                Zero(segments[index..], within);
                return;
            }
            offset += done;
            Advance(segments, ref index, ref within, done);
        }
    }

    /// <summary>Writes all segments from <paramref name="offset"/> on, extending a regular file as needed.</summary>
    public void WriteFully(long offset, ReadOnlySpan<IoSegment> segments)
    {
        int index = 0;
        nint within = 0;
        while (index < segments.Length)
        {
            nint done = Transfer(offset, segments[index..], within, write: true);
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

    /// <summary>Makes a regular file this long; what is new reads as zeros and takes no space.</summary>
    public void SetLength(long lengthBytes)
    {
        if (Libc.Ftruncate((int)handle, (nint)lengthBytes) != 0) LinuxException.ThrowLast("ftruncate", Path);
    }

    /// <summary>Returns when everything written before is on stable storage (fdatasync(2)).</summary>
    public void SyncData()
    {
        while (Libc.Fdatasync(this) != 0)
            if (Marshal.GetLastPInvokeError() != Libc.Eintr) LinuxException.ThrowLast("fdatasync", Path);
    }

    /// <summary>Gives a range back to the file system; it reads as zeros. False where the file system cannot.</summary>
    public bool TryPunchHole(long offset, long lengthBytes) =>
        TryAllocate(Libc.FallocPunchHole | Libc.FallocKeepSize, offset, lengthBytes);

    /// <summary>Makes a range read as zeros and keeps its space. False where the file system cannot.</summary>
    public bool TryZeroRange(long offset, long lengthBytes) =>
        TryAllocate(Libc.FallocZeroRange | Libc.FallocKeepSize, offset, lengthBytes);

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

    /// <summary>
    /// Takes a shared open file description lock (fcntl(2), F_OFD_SETLK) on one byte. It ends when this object closes, however the process
    /// dies. False when another holds it exclusively; true, without a lock, on a file system that has none.
    /// </summary>
    public bool TryLockShared(long offset)
    {
        Libc.FileLockRange range = new() { Type = Libc.LockRead, Start = offset, Length = 1 };
        if (Libc.FcntlLock(this, Libc.FcntlOfdSetLock, &range) == 0) return true;
        return Marshal.GetLastPInvokeError() is not (Libc.Eagain or ErrorAccess);
    }

    /// <summary>Whether anybody else holds any lock on one byte.</summary>
    public bool IsLockedByOther(long offset)
    {
        Libc.FileLockRange range = new() { Type = Libc.LockWrite, Start = offset, Length = 1 };
        return Libc.FcntlLock(this, Libc.FcntlOfdGetLock, &range) == 0 && range.Type != Libc.LockNone;
    }

    /// <inheritdoc/>
    protected override bool ReleaseHandle() => Libc.Close((int)handle) == 0;

    private void FindKind() => Kind = (GetStatus().Mode & 0xf000) switch
    {
        0x8000 => DiskFileKind.Regular,
        0x6000 => DiskFileKind.BlockDevice,
        0x4000 => DiskFileKind.Directory,
        _ => DiskFileKind.Other,
    };

    private bool IsAt(string path)
    {
        Libc.FileStatus there;
        return Libc.Statx(this, path, 0, Libc.StatxBasicStats, &there) == 0 && there.Inode == GetInode();
    }

    private Libc.FileStatus GetStatus()
    {
        Libc.FileStatus status;
        if (Libc.Statx(this, "", Libc.AtEmptyPath, Libc.StatxBasicStats, &status) != 0) LinuxException.ThrowLast("statx", Path);
        return status;
    }

    private bool TryAllocate(int mode, long offset, long lengthBytes)
    {
        while (Libc.Fallocate(this, mode, offset, lengthBytes) != 0)
        {
            int error = Marshal.GetLastPInvokeError();
            if (error is ErrorNotSupported or 19 or 22) return false;        // 19, 22: a device or file system without it
            if (error != Libc.Eintr) LinuxException.ThrowLast("fallocate", Path);
        }
        return true;
    }

    private nint Transfer(long offset, ReadOnlySpan<IoSegment> segments, nint within, bool write)
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
                done = write ? Libc.Pwritev(this, first, count, offset) : Libc.Preadv(this, first, count, offset);
            }
            if (done >= 0) return done;
            if (Marshal.GetLastPInvokeError() != Libc.Eintr) LinuxException.ThrowLast(write ? "pwritev" : "preadv", Path);
        }
    }

    private static void Advance(ReadOnlySpan<IoSegment> segments, ref int index, ref nint within, nint done)
    {
        within += done;
        while (index < segments.Length && within >= segments[index].LengthBytes) within -= segments[index++].LengthBytes;
    }

    private static void Zero(ReadOnlySpan<IoSegment> segments, nint within)
    {
        foreach (IoSegment segment in segments)
        {
            // SAFETY: as in Transfer.
            NativeMemory.Clear((void*)(segment.Address + within), (nuint)(segment.LengthBytes - within));
            within = 0;
        }
    }
}
