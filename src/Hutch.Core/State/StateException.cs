using System;

namespace Hutch.Core.State;

/// <summary>A saved state cannot be used: it is damaged, lacks something, or does not fit this machine. The message is one sentence for the user.</summary>
public sealed class StateException : Exception
{
    /// <summary>Creates the exception with its sentence.</summary>
    public StateException(string message) : base(message) { }

    /// <summary>Creates the exception with its sentence and the cause.</summary>
    public StateException(string message, Exception cause) : base(message, cause) { }
}
