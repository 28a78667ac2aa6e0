using System;

namespace Hutch.Cli;

/// <summary>A mistake or a refusal that the user has to hear about: one sentence, then the program ends.</summary>
/// <param name="message">Names the object, the cause and the mend.</param>
/// <param name="status">Exit status of the process.</param>
internal sealed class UserException(string message, int status) : Exception(message)
{
    /// <summary>Exit status of the process.</summary>
    public int Status { get; } = status;
}
