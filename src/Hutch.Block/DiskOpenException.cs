using System;

namespace Hutch.Block;

/// <summary>A disk cannot be opened as asked. The message is one sentence: which file, why, and how to mend it.</summary>
public sealed class DiskOpenException : Exception
{
    /// <summary>Creates the exception with its sentence.</summary>
    public DiskOpenException(string message) : base(message) { }

    /// <summary>Creates the exception with its sentence and the cause.</summary>
    public DiskOpenException(string message, Exception cause) : base(message, cause) => Errno = (cause as Host.Linux.LinuxException)?.Errno ?? 0;

    /// <summary>The reason as the image tool prints it, as QEMU has it, behind the name of what was to be opened; null: <see cref="Exception.Message"/> is all there is.</summary>
    public string? Reason { get; init; }

    /// <summary>A further line that the image tool prints, as QEMU does; null for none.</summary>
    public string? Hint { get; init; }

    /// <summary>Who has the file in use, for example <c>process 4711 (qemu-io disk.img)</c>; null where it is free or the holder unknown.</summary>
    public string? Holder { get; init; }

    /// <summary>The kernel's number of the error (errno(3)); 0 where no call failed.</summary>
    public int Errno { get; init; }
}
