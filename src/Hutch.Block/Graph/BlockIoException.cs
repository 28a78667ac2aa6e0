using System;
using System.IO;

namespace Hutch.Block.Graph;

/// <summary>Storage under a node said no: an I/O error, a full disk, a write to a read-only node. The message names the file.</summary>
public sealed class BlockIoException : IOException
{
    /// <summary>Creates the exception with its sentence.</summary>
    public BlockIoException(string message) : base(message) { }

    /// <summary>Creates the exception with its sentence and the cause.</summary>
    public BlockIoException(string message, Exception cause) : base(message, cause) { }
}
