using System;
using Hutch.Host.Files;

namespace Hutch.Block.Files;

/// <summary>How a file is used, for its lock.</summary>
internal enum ImageLockMode
{
    /// <summary>Reads; nobody may change it meanwhile.</summary>
    Reader,

    /// <summary>Reads and writes, alone.</summary>
    Writer,

    /// <summary>Reads, whatever others do with it (force-share).</summary>
    Observer,
}

/// <summary>
/// Keeps an image from being used twice, also by QEMU and its tools, which take the same byte locks: a shared lock on byte 100 + i for each
/// permission i in use and on byte 200 + i for each that is not shared with others; a conflict is somebody else's lock on 200 + i of an own
/// permission or on 100 + i of one not shared. Readers share with readers; a writer is alone.
/// </summary>
internal static class ImageLock
{
    private const int UsedBase = 100, UnsharedBase = 200;
    private const int ConsistentRead = 0, Write = 1, Resize = 3;

    /// <summary>Locks until <see cref="Release"/>. Throws <see cref="DiskOpenException"/>, without a lock, when another user is in the way.</summary>
    internal static void Take(DiskFile file, ImageLockMode mode)
    {
        string? refusal = Lock(file, mode) ?? Check(file, mode);
        if (refusal is null) return;
        Release(file, mode);
        throw Refuse(file, mode, refusal);
    }

    /// <summary>
    /// Unlocks. A close alone may come too late for the next user: the kernel keeps an open file for as long as a request of io_uring, or a child between
    /// fork and exec, still refers to it, and its locks with it.
    /// </summary>
    internal static void Release(DiskFile file, ImageLockMode mode)
    {
        foreach (int permission in Uses(mode)) file.Unlock(UsedBase + permission);
        foreach (int permission in Unshared(mode)) file.Unlock(UnsharedBase + permission);
    }

    /// <summary>
    /// Moves from one open file to another of the same image (<see cref="DiskFile.Reopen"/>). The old one keeps nothing where that succeeds and everything
    /// where it throws <see cref="DiskOpenException"/>.
    /// </summary>
    internal static void Move(DiskFile from, ImageLockMode fromMode, DiskFile to, ImageLockMode toMode)
    {
        // The new locks first, so that the image is never without one; then the old ones must go, or they would be in the way of the check.
        string? refusal = Lock(to, toMode);
        if (refusal is null)
        {
            Release(from, fromMode);
            refusal = Check(to, toMode);
            if (refusal is null) return;
            _ = Lock(from, fromMode);
        }
        Release(to, toMode);
        throw Refuse(to, toMode, refusal);
    }

    private static ReadOnlySpan<int> Uses(ImageLockMode mode) => mode == ImageLockMode.Writer ? [ConsistentRead, Write, Resize] : [ConsistentRead];

    private static ReadOnlySpan<int> Unshared(ImageLockMode mode) => mode == ImageLockMode.Observer ? [] : [Write, Resize];

    // Own locks first, then the look at the others' (Check): of two that start together at least one sees the other.
    private static string? Lock(DiskFile file, ImageLockMode mode)
    {
        foreach (int permission in Uses(mode))
            if (!file.TryLockShared(UsedBase + permission)) return $"Failed to lock byte {UsedBase + permission}";
        foreach (int permission in Unshared(mode))
            if (!file.TryLockShared(UnsharedBase + permission)) return $"Failed to lock byte {UnsharedBase + permission}";
        return null;
    }

    private static string? Check(DiskFile file, ImageLockMode mode)
    {
        foreach (int permission in Uses(mode))
            if (file.IsLockedByOther(UnsharedBase + permission)) return $"Failed to get \"{Name(permission)}\" lock";
        foreach (int permission in Unshared(mode))
            if (file.IsLockedByOther(UsedBase + permission)) return $"Failed to get shared \"{Name(permission)}\" lock";
        return null;
    }

    private static string Name(int permission) => permission switch
    {
        ConsistentRead => "consistent read",
        Write => "write",
        _ => "resize",
    };

    private static DiskOpenException Refuse(DiskFile file, ImageLockMode mode, string refusal)
    {
        string? holder = LockHolder.Find(file);
        string user = holder is null ? "in use by another process" : $"in use by {holder}";
        string message = mode == ImageLockMode.Writer
            ? $"Disk \"{file.Path}\" is {user}; stop that first, give this machine a copy, or open it read-only in both."
            : $"Disk \"{file.Path}\" is {user}, which writes to it; stop that first, or give this machine a copy.";
        return new DiskOpenException(message) { Reason = refusal, Hint = $"Is another process using the image [{file.Path}]?", Holder = holder };
    }
}
