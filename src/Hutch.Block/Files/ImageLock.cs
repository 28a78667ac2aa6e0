using System;
using System.Globalization;
using System.IO;
using Hutch.Host.Files;

namespace Hutch.Block.Files;

/// <summary>
/// Keeps an image from being used twice, also by QEMU and its tools, which take the same byte locks: a shared lock on byte 100 + i for each
/// permission i in use and on byte 200 + i for each that is not shared with others; a conflict is somebody else's lock on 200 + i of an own
/// permission or on 100 + i of one not shared. Readers share with readers; a writer is alone.
/// </summary>
internal static class ImageLock
{
    private const int UsedBase = 100, UnsharedBase = 200;
    private const int ConsistentRead = 0, Write = 1, Resize = 3;

    private static ReadOnlySpan<int> ReaderUses => [ConsistentRead];

    private static ReadOnlySpan<int> WriterUses => [ConsistentRead, Write, Resize];

    private static ReadOnlySpan<int> Unshared => [Write, Resize];

    /// <summary>Locks for as long as the file stays open. Throws <see cref="DiskOpenException"/> when another user is in the way.</summary>
    internal static void Take(DiskFile file, bool readOnly)
    {
        ReadOnlySpan<int> uses = readOnly ? ReaderUses : WriterUses;
        bool free = true;
        // Own locks first, then the look at the others': of two that start together at least one sees the other.
        foreach (int permission in uses) free &= file.TryLockShared(UsedBase + permission);
        foreach (int permission in Unshared) free &= file.TryLockShared(UnsharedBase + permission);
        foreach (int permission in uses) free &= !file.IsLockedByOther(UnsharedBase + permission);
        foreach (int permission in Unshared) free &= !file.IsLockedByOther(UsedBase + permission);
        if (free) return;
        string holder = FindHolder(file) is string found ? $"in use by {found}" : "in use by another process";
        throw new DiskOpenException(readOnly
            ? $"Disk \"{file.Path}\" is {holder}, which writes to it; stop that first, or give this machine a copy."
            : $"Disk \"{file.Path}\" is {holder}; stop that first, give this machine a copy, or open it read-only in both.");
    }

    // OFD locks carry no process id, so that the holder is looked for among those who have the file open.
    private static string? FindHolder(DiskFile file)
    {
        try
        {
            string target = Path.GetFullPath(file.Path);
            target = File.ResolveLinkTarget(target, returnFinalTarget: true)?.FullName ?? target;
            foreach (string process in Directory.EnumerateDirectories("/proc"))
            {
                if (!int.TryParse(Path.GetFileName(process), CultureInfo.InvariantCulture, out int pid) || pid == Environment.ProcessId) continue;
                if (HasOpen(process, target)) return $"process {pid} ({File.ReadAllText($"{process}/comm").Trim()})";
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Only the name is lost.
        }
        return null;
    }

    private static bool HasOpen(string process, string target)
    {
        try
        {
            foreach (string descriptor in Directory.EnumerateFileSystemEntries($"{process}/fd"))
                if (new FileInfo(descriptor).LinkTarget == target) return true;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // The process ended, or belongs to another user.
        }
        return false;
    }
}
