using System;

namespace Hutch.Block;

/// <summary>A disk cannot be opened as asked. The message is one sentence: which file, why, and how to mend it.</summary>
public sealed class DiskOpenException : Exception
{
    /// <summary>Creates the exception with its sentence.</summary>
    public DiskOpenException(string message) : base(message) { }

    /// <summary>Creates the exception with its sentence and the cause.</summary>
    public DiskOpenException(string message, Exception cause) : base(message, cause) { }
}
