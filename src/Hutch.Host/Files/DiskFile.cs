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

/// <summary>How a file is opened.</summary>
[Flags]
public enum DiskOpenFlags
{
    /// <summary>An existing file, for reading and writing.</summary>
    None = 0,

    /// <summary>For reading only.</summary>
    ReadOnly = 1,

    /// <summary>Past the page cache (O_DIRECT): requests must be aligned to <see cref="DiskFile.DirectAlignment"/>.</summary>
    Direct = 2,

    /// <summary>Made where there is none, as the process's file mode mask allows.</summary>
    Create = 4,

    /// <summary>With <see cref="Create"/>: EEXIST where there is one.</summary>
    Exclusive = 8,
}

/// <summary>
/// An open file or block device for positioned I/O. Any thread; calls block. Failures throw <see cref="LinuxException"/> with the errno.
/// </summary>
public sealed unsafe partial class DiskFile : SafeHandle
{
    private const int ErrorAccess = 13, ErrorNoDevice = 6, ErrorNotSupported = 95;
    private const int CurrentDirectory = -100;       // AT_FDCWD

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
    public static DiskFile Open(string path, bool readOnly) => Open(path, readOnly ? DiskOpenFlags.ReadOnly : DiskOpenFlags.None);

    /// <summary>Opens a file. Never blocks on a pipe without a writer. A directory opens only read-only.</summary>
    public static DiskFile Open(string path, DiskOpenFlags flags) => Open(path, path, flags);

    /// <summary>Opens the same file once more, also where its name has gone or means another now.</summary>
    public DiskFile Reopen(DiskOpenFlags flags) => Open($"/proc/self/fd/{handle}", Path, flags);

    /// <summary>What a path names; null where there is nothing, or nothing that may be looked at.</summary>
    public static DiskFileKind? FindKind(string path)
    {
        Libc.FileStatus status;
        // SAFETY: the status lives on this frame.
        return Libc.StatxAt(Libc.AtWorkingDirectory, path, 0, Libc.StatxBasicStats, &status) == 0 ? KindOf(status.Mode) : null;
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

    /// <summary>Whether <paramref name="path"/>, links followed, leads to this file. False where it cannot be looked at.</summary>
    public bool IsAt(string path)
    {
        Libc.FileStatus there, here = GetStatus();
        // SAFETY: the kernel fills one structure on this frame.
        return Libc.StatxAt(CurrentDirectory, path, 0, Libc.StatxBasicStats, &there) == 0 && there.Inode == here.Inode
            && there.DeviceMajor == here.DeviceMajor && there.DeviceMinor == here.DeviceMinor;
    }

    /// <summary>The owner's user id and the mode's permission bits.</summary>
    internal (uint User, int Mode) GetOwner()
    {
        Libc.FileStatus status = GetStatus();
        return (status.User, status.Mode & 0xfff);
    }

    /// <summary>Returns when everything written before is on stable storage (fdatasync(2)).</summary>
    public void SyncData()
    {
        while (Libc.Fdatasync(this) != 0)
            if (Marshal.GetLastPInvokeError() != Libc.Eintr) LinuxException.ThrowLast("fdatasync", Path);
    }

    /// <summary>Returns when the name <paramref name="path"/> in its directory is on stable storage.</summary>
    public static void SyncDirectoryOf(string path)
    {
        using DiskFile directory = Open(System.IO.Path.GetDirectoryName(System.IO.Path.GetFullPath(path)) ?? "/", DiskOpenFlags.ReadOnly);
        while (Libc.Fsync(directory) != 0)
        {
            // A directory that cannot be flushed (EINVAL) needs no flush.
            if (Marshal.GetLastPInvokeError() == 22) return;
            if (Marshal.GetLastPInvokeError() != Libc.Eintr) LinuxException.ThrowLast("fsync", directory.Path);
        }
    }

    /// <inheritdoc/>
    protected override bool ReleaseHandle() => Libc.Close((int)handle) == 0;

    private static DiskFile Open(string target, string path, DiskOpenFlags flags)
    {
        int how = Libc.OpenCloexec | Libc.OpenNonBlock | Libc.OpenNoCtty;
        how |= (flags & DiskOpenFlags.ReadOnly) != 0 ? Libc.OpenReadOnly : Libc.OpenReadWrite;
        if ((flags & DiskOpenFlags.Direct) != 0) how |= Libc.OpenDirect;
        if ((flags & DiskOpenFlags.Create) != 0) how |= Libc.OpenCreate;
        if ((flags & DiskOpenFlags.Exclusive) != 0) how |= Libc.OpenExclusive;
        int descriptor = Libc.Open(target, how, 0x1a4);
        if (descriptor < 0) LinuxException.ThrowLast("open", path);
        DiskFile file = new(descriptor, path);
        file.FindKind();
        return file;
    }

    private void FindKind() => Kind = KindOf(GetStatus().Mode);

    private static DiskFileKind KindOf(ushort mode) => (mode & 0xf000) switch
    {
        0x8000 => DiskFileKind.Regular,
        0x6000 => DiskFileKind.BlockDevice,
        0x4000 => DiskFileKind.Directory,
        _ => DiskFileKind.Other,
    };

    private Libc.FileStatus GetStatus(uint mask = Libc.StatxBasicStats)
    {
        Libc.FileStatus status;
        // SAFETY: the kernel fills one structure on this frame.
        if (Libc.Statx(this, "", Libc.AtEmptyPath, mask, &status) != 0) LinuxException.ThrowLast("statx", Path);
        return status;
    }

    // Open file description locks (fcntl(2)): they end when this object closes, however the process dies.
    /// <summary>
    /// Takes a shared lock (F_OFD_SETLK) on one byte. False when another holds it exclusively; true, without a lock, on a file system that has none.
    /// </summary>
    public bool TryLockShared(long offset)
    {
        // SAFETY: here and below, the kernel reads and writes one structure on this frame.
        Libc.FileLockRange range = new() { Type = Libc.LockRead, Start = offset, Length = 1 };
        if (Libc.FcntlLock(this, Libc.FcntlOfdSetLock, &range) == 0) return true;
        return Marshal.GetLastPInvokeError() is not (Libc.Eagain or ErrorAccess);
    }

    /// <summary>Lets go of a lock on one byte.</summary>
    public void Unlock(long offset)
    {
        Libc.FileLockRange range = new() { Type = Libc.LockNone, Start = offset, Length = 1 };
        _ = Libc.FcntlLock(this, Libc.FcntlOfdSetLock, &range);
    }

    /// <summary>Whether anybody else holds any lock on one byte.</summary>
    public bool IsLockedByOther(long offset)
    {
        Libc.FileLockRange range = new() { Type = Libc.LockWrite, Start = offset, Length = 1 };
        return Libc.FcntlLock(this, Libc.FcntlOfdGetLock, &range) == 0 && range.Type != Libc.LockNone;
    }
}
