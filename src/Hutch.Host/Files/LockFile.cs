using System;
using System.IO;
using System.Runtime.InteropServices;
using Hutch.Host.Linux;
using Microsoft.Win32.SafeHandles;

namespace Hutch.Host.Files;

/// <summary>A file that one process at a time holds, until it ends in whatever way (fcntl(2), open file description lock).</summary>
public sealed unsafe class LockFile : IDisposable
{
    private readonly SafeFileHandle _handle;
    private readonly string _path;

    private LockFile(SafeFileHandle handle, string path)
    {
        _handle = handle;
        _path = path;
    }

    /// <summary>Creates the file if need be and takes it; null when another process holds it. Throws <see cref="LinuxException"/>.</summary>
    public static LockFile? TryTake(string path)
    {
        while (true)
        {
            int fd = Libc.Open(path, Libc.OpenReadWrite | Libc.OpenCreate | Libc.OpenNoFollow | Libc.OpenCloexec, 0x180);
            if (fd < 0) LinuxException.ThrowLast("open", path);
            SafeFileHandle handle = new(fd, ownsHandle: true);
            Libc.FileLockRange range = new() { Type = Libc.LockWrite };
            if (Libc.FcntlLock(handle, Libc.FcntlOfdSetLock, &range) != 0)
            {
                int error = Marshal.GetLastPInvokeError();
                handle.Dispose();
                return error is Libc.Eagain or 13 ? null : throw new LinuxException("fcntl", error, path);
            }
            // The last holder may have removed the file between our opening and locking it.
            if (IsStillAt(handle, path)) return new LockFile(handle, path);
            handle.Dispose();
        }
    }

    /// <summary>Removes the file and lets go.</summary>
    public void Dispose()
    {
        if (_handle.IsClosed) return;
        File.Delete(_path);
        _handle.Dispose();
    }

    private static bool IsStillAt(SafeFileHandle handle, string path)
    {
        Libc.FileStatus ours, there;
        return Libc.Statx(handle, "", Libc.AtEmptyPath, Libc.StatxBasicStats, &ours) == 0
            && Libc.Statx(handle, path, 0, Libc.StatxBasicStats, &there) == 0 && ours.Inode == there.Inode;
    }
}
