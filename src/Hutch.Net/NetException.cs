using System;

namespace Hutch.Net;

/// <summary>A network cannot be had as the operator wants it. The message is one sentence: which, why, and how to mend it.</summary>
public sealed class NetException : Exception
{
    /// <summary>Creates the exception with its sentence and its cause.</summary>
    public NetException(string message, Exception? cause = null) : base(message, cause) { }
}
