using System;

namespace Hutch.Host.Events;

/// <summary>The process's standard output, without the cost and the terminal handling of the console class.</summary>
public static class StandardOutput
{
    /// <summary>Writes bytes, waiting for a slow reader. False when the reader is gone.</summary>
    public static bool Write(ReadOnlySpan<byte> text) => OpenFile.WriteAll(1, text, -1);
}
