using System;

namespace Hutch.Cli.Image;

/// <summary>The command line of an image tool is wrong: the message is printed after the tool's name, and the command ends.</summary>
internal sealed class UsageException(string message, int status = 1) : Exception(message)
{
    /// <summary>Exit status.</summary>
    internal int Status { get; } = status;
}
