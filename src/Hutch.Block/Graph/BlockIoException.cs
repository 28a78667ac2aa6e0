using System;
using System.IO;

namespace Hutch.Block.Graph;

/// <summary>Storage under a node said no: an I/O error, a full disk, a write to a read-only node. The message names the file.</summary>
public sealed class BlockIoException : IOException
{
    /// <summary>Creates an EIO with its sentence.</summary>
    public BlockIoException(string message) : base(message) { }

    /// <summary>Creates the exception with its sentence and the cause.</summary>
    public BlockIoException(string message, Exception cause) : base(message, cause) => Errno = (cause as Host.Linux.LinuxException)?.Errno ?? (cause as BlockIoException)?.Errno ?? Eio;

    /// <summary>Creates the exception with its sentence and error number.</summary>
    public BlockIoException(string message, int errno) : base(message) => Errno = errno;

    /// <summary>EPERM: the node is read-only.</summary>
    public const int Eperm = 1;

    /// <summary>EIO: the storage failed.</summary>
    public const int Eio = 5;

    /// <summary>ENOSPC: the storage is full.</summary>
    public const int Enospc = 28;

    /// <summary>EAGAIN: something must be there first.</summary>
    public const int Eagain = 11;

    /// <summary>EINVAL: what was asked for makes no sense there.</summary>
    public const int Einval = 22;

    /// <summary>EFBIG: the node cannot be that large.</summary>
    public const int Efbig = 27;

    /// <summary>ENOTSUP: the node cannot do this.</summary>
    public const int Enotsup = 95;

    /// <summary>The kernel's number of the error (errno(3)).</summary>
    public int Errno { get; } = Eio;
}
