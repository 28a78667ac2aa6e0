using System;
using System.IO;
using Hutch.Host.Linux;

namespace Hutch.Host.Files;

/// <summary>
/// Where a user's processes leave what lives no longer than they do (XDG Base Directory Specification): <c>$XDG_RUNTIME_DIR</c>; without it
/// <c>/run</c> for root and a directory of the user's own in <c>/tmp</c> for others.
/// </summary>
public static class RuntimeDirectory
{
    /// <summary>Path of the part of it that belongs to <paramref name="program"/>. Nothing is created.</summary>
    public static string Of(string program)
    {
        string? given = Environment.GetEnvironmentVariable("XDG_RUNTIME_DIR");
        if (!string.IsNullOrEmpty(given) && Path.IsPathRooted(given)) return Path.Combine(given, program);
        return Libc.EffectiveUser() == 0 ? $"/run/{program}" : $"/tmp/{program}-{Libc.EffectiveUser()}";
    }

    /// <summary>
    /// Creates a directory for this user alone (mode 0700) and the directories above it. One that is there already must be the user's own and closed to
    /// others: in <c>/tmp</c> anybody can be there first. Throws <see cref="IOException"/> or <see cref="LinuxException"/>.
    /// </summary>
    public static void Create(string path)
    {
        if (Path.GetDirectoryName(path) is string above && !Directory.Exists(above)) Create(above);
        if (Libc.MakeDirectory(path, 0x1c0) == 0) return;
        int error = System.Runtime.InteropServices.Marshal.GetLastPInvokeError();
        if (error != 17) throw new LinuxException("mkdir", error, path);
        using DiskFile directory = DiskFile.Open(path, readOnly: true);
        if (directory.Kind != DiskFileKind.Directory) throw new IOException($"{path} is in the way: it is no directory.");
        (uint owner, int mode) = directory.GetOwner();
        if (owner != Libc.EffectiveUser() || (mode & 0x12) != 0)
            throw new IOException($"The directory {path} is not this user's alone; remove it, or set XDG_RUNTIME_DIR.");
    }
}
