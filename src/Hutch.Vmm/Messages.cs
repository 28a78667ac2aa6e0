using System.Buffers;
using System.Text;
using System.Text.Json;
using Hutch.Host.Events;

namespace Hutch.Vmm;

/// <summary>What the VM process says to its user, on standard error: <c>hutch: sentence</c>, or one JSON object on a line.</summary>
internal sealed class Messages(bool json)
{
    /// <summary>Says why the process ends with <paramref name="status"/>.</summary>
    internal void Error(string sentence, int status) => Write("error", sentence, status);

    /// <summary>Says how the machine runs.</summary>
    internal void Progress(string sentence) => Write("info", sentence, null);

    /// <summary>Says what the user may not have wanted; the machine runs all the same.</summary>
    internal void Warning(string sentence) => Write("warning", sentence, null);

    private void Write(string level, string sentence, int? status)
    {
        if (!json)
        {
            StandardError.WriteLine(Encoding.UTF8.GetBytes($"hutch: {sentence}"));
            return;
        }
        ArrayBufferWriter<byte> line = new();
        using (Utf8JsonWriter writer = new(line))
        {
            writer.WriteStartObject();
            writer.WriteString("level", level);
            writer.WriteString("message", sentence);
            if (status is not null) writer.WriteNumber("status", status.Value);
            writer.WriteEndObject();
        }
        StandardError.WriteLine(line.WrittenSpan);
    }
}
