using System;

namespace Hutch.Host.Events;

/// <summary>The process's standard error, without the cost and the terminal handling of the console class.</summary>
public static class StandardError
{
    /// <summary>Writes bytes; gives up after a second where nobody reads.</summary>
    public static void Write(ReadOnlySpan<byte> text) => OpenFile.WriteAll(2, text, 1000);
}
