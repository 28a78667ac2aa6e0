using Hutch.Host.Linux;

namespace Hutch.Host.Files;

/// <summary>Who owns a file and what its group may do (statx(2)).</summary>
/// <param name="UserId">Owner.</param>
/// <param name="GroupId">Group.</param>
/// <param name="Mode">Type and permission bits.</param>
public readonly record struct FileOwner(uint UserId, uint GroupId, ushort Mode)
{
    /// <summary>Bits 4 and 5 of the mode: S_IRGRP and S_IWGRP.</summary>
    public bool GroupMayReadAndWrite => (Mode & 0x30) == 0x30;

    /// <summary>Of the file that <paramref name="path"/> leads to; null when it cannot be looked at.</summary>
    public static unsafe FileOwner? Of(string path)
    {
        const int CurrentDirectory = -100;
        Libc.FileStatus status;
        // SAFETY: the kernel fills one structure on this frame; an absolute path needs no directory.
        return Libc.StatxAt(CurrentDirectory, path, 0, Libc.StatxBasicStats, &status) == 0 ? new FileOwner(status.User, status.Group, status.Mode) : null;
    }
}
