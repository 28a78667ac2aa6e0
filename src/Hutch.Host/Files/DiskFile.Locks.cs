using System.Runtime.InteropServices;
using Hutch.Host.Linux;

namespace Hutch.Host.Files;

// Open file description locks (fcntl(2)): they end when this object closes, however the process dies.
public sealed unsafe partial class DiskFile
{
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
