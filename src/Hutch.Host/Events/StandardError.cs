using System;

namespace Hutch.Host.Events;

/// <summary>The process's standard error, without the cost and the terminal handling of the console class.</summary>
public static class StandardError
{
    private const int Descriptor = 2;

    /// <summary>Writes bytes; gives up after a second where nobody reads.</summary>
    public static void Write(ReadOnlySpan<byte> text) => OpenFile.WriteAll(Descriptor, text, 1000);

    /// <summary>Writes a line, with a carriage return where a terminal in raw mode would not make one of the line's end.</summary>
    public static void WriteLine(ReadOnlySpan<byte> text)
    {
        ReadOnlySpan<byte> end = RawTerminal.IsRaw(Descriptor) ? "\r\n"u8 : "\n"u8;
        byte[] line = new byte[text.Length + end.Length];
        text.CopyTo(line);
        end.CopyTo(line.AsSpan(text.Length));
        Write(line);
    }
}
