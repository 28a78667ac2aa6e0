using System;
using System.Buffers;
using System.Text.Json;
using Hutch.Host.Events;

namespace Hutch.Vmm.Engines;

/// <summary>How the VM program answers a question of the command line: one JSON value on one line of standard output.</summary>
internal static class AnswerLine
{
    /// <summary>Prints it as a whole.</summary>
    /// <param name="fill">Writes the value.</param>
    internal static void Print(Action<Utf8JsonWriter> fill)
    {
        ArrayBufferWriter<byte> line = new();
        using (Utf8JsonWriter writer = new(line)) fill(writer);
        line.Write("\n"u8);
        StandardOutput.Write(line.WrittenSpan);
    }
}
