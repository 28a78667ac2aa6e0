using System.Buffers;
using System.Text;
using System.Text.Json;
using Hutch.Host.Events;

namespace Hutch.Vmm;

/// <summary>What the VM process says to its user, on standard error: <c>hutch: sentence</c>, or one JSON object on a line.</summary>
internal sealed class Messages(bool json)
{
    /// <summary>Says why the process ends with <paramref name="status"/>.</summary>
    internal void Error(string sentence, int status)
    {
        if (!json)
        {
            StandardError.Write(Encoding.UTF8.GetBytes($"hutch: {sentence}\n"));
            return;
        }
        ArrayBufferWriter<byte> line = new();
        using (Utf8JsonWriter writer = new(line))
        {
            writer.WriteStartObject();
            writer.WriteString("level", "error");
            writer.WriteString("message", sentence);
            writer.WriteNumber("status", status);
            writer.WriteEndObject();
        }
        line.Write("\n"u8);
        StandardError.Write(line.WrittenSpan);
    }
}
