using System;
using System.Buffers;
using System.Collections.Generic;
using System.Text.Json;

namespace Hutch.Model.Control;

/// <summary>
/// Requests and replies as JSON lines, written and read without the serializer, whose generic code is compiled anew in every process. The peer is not
/// trusted: what is no proper line throws <see cref="JsonException"/>, and nothing else.
/// </summary>
public static class ControlLine
{
    private const int MostOptions = 64, Deepest = 5;

    /// <summary>The line of a request, with its end.</summary>
    public static byte[] Write(VmRequest request) => Write(writer =>
    {
        writer.WriteString("verb", request.Verb);
        foreach ((string name, string value) in request.Options) writer.WriteString(name, value);
    });

    /// <summary>The line of a reply, with its end.</summary>
    public static byte[] Write(VmReply reply) => Write(writer =>
    {
        writer.WriteString("type", NameOf(reply.Kind));
        if (reply.Event is not null) writer.WriteString("event", reply.Event);
        if (reply.Message is not null) writer.WriteString("message", reply.Message);
        if (reply.Kind == VmReplyKind.Progress)
        {
            writer.WriteNumber("done", reply.Done);
            writer.WriteNumber("total", reply.Total);
        }
        if (reply.Status is VmStatus status) WriteStatus(writer, status);
        if (reply.Details is null) return;
        writer.WriteStartObject("details");
        VmDetailsJson.Write(writer, reply.Details);
        writer.WriteEndObject();
    });

    /// <summary>A status as one JSON object, for <c>--json</c>.</summary>
    public static byte[] Write(VmStatus status) => Write(writer => WriteFields(writer, status));

    /// <summary>A status and its details as one JSON object, for <c>--json</c>.</summary>
    public static byte[] Write(VmStatus status, VmDetails details) => Write(writer =>
    {
        WriteFields(writer, status);
        VmDetailsJson.Write(writer, details);
    });

    /// <summary>Reads a request.</summary>
    public static VmRequest ReadRequest(ReadOnlySpan<byte> line) => Read(line, static root =>
    {
        string? verb = null;
        Dictionary<string, string> options = [];
        foreach (JsonProperty property in root.EnumerateObject())
        {
            string value = property.Value.ValueKind == JsonValueKind.String ? property.Value.GetString()! : property.Value.GetRawText();
            if (property.NameEquals("verb")) verb = value;
            else if (options.Count == MostOptions) throw new JsonException($"A request has at most {MostOptions} options.");
            else options[property.Name] = value;
        }
        return new VmRequest(verb ?? throw new JsonException("The request names no verb."), options);
    });

    /// <summary>Reads a reply.</summary>
    public static VmReply ReadReply(ReadOnlySpan<byte> line) => Read(line, static root => new VmReply(
        root.GetProperty("type").GetString() switch
        {
            "progress" => VmReplyKind.Progress,
            "done" => VmReplyKind.Done,
            "error" => VmReplyKind.Error,
            "event" => VmReplyKind.Event,
            string other => throw new JsonException($"'{other}' is no kind of reply."),
            null => throw new JsonException("The reply has no type."),
        },
        root.TryGetProperty("message", out JsonElement message) ? message.GetString() : null,
        root.TryGetProperty("done", out JsonElement done) ? done.GetInt64() : 0,
        root.TryGetProperty("total", out JsonElement total) ? total.GetInt64() : 0,
        root.TryGetProperty("status", out JsonElement status) ? ReadStatus(status) : null,
        root.TryGetProperty("details", out JsonElement details) ? VmDetailsJson.Read(details) : null)
    {
        Event = root.TryGetProperty("event", out JsonElement what) ? what.GetString() : null,
    });

    private static string NameOf(VmReplyKind kind) => kind switch
    {
        VmReplyKind.Progress => "progress",
        VmReplyKind.Done => "done",
        VmReplyKind.Event => "event",
        _ => "error",
    };

    private static void WriteStatus(Utf8JsonWriter writer, VmStatus status)
    {
        writer.WriteStartObject("status");
        WriteFields(writer, status);
        writer.WriteEndObject();
    }

    private static void WriteFields(Utf8JsonWriter writer, VmStatus status)
    {
        writer.WriteString("name", status.Name);
        writer.WriteString("state", status.State);
        writer.WriteNumber("pid", status.ProcessId);
        writer.WriteString("engine", status.Engine);
        writer.WriteNumber("vcpus", status.Vcpus);
        writer.WriteNumber("memory", status.MemoryBytes);
        if (status.Reason is not null) writer.WriteString("reason", status.Reason);
    }

    private static VmStatus ReadStatus(JsonElement status) => new(
        Text(status, "name"), Text(status, "state"), status.GetProperty("pid").GetInt32(), Text(status, "engine"),
        status.GetProperty("vcpus").GetInt32(), status.GetProperty("memory").GetUInt64(),
        status.TryGetProperty("reason", out JsonElement reason) ? reason.GetString() : null);

    /// <summary>A property that is a text. Throws what <see cref="JsonElement"/> throws.</summary>
    internal static string Text(JsonElement parent, string name) => parent.GetProperty(name).GetString() ?? throw new JsonException($"{name} is null.");

    private static byte[] Write(Action<Utf8JsonWriter> fill)
    {
        ArrayBufferWriter<byte> line = new();
        using (Utf8JsonWriter writer = new(line))
        {
            writer.WriteStartObject();
            fill(writer);
            writer.WriteEndObject();
        }
        line.Write("\n"u8);
        return line.WrittenSpan.ToArray();
    }

    private static T Read<T>(ReadOnlySpan<byte> line, Func<JsonElement, T> read)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(line.ToArray(), new JsonDocumentOptions { MaxDepth = Deepest });
            return read(document.RootElement);
        }
        catch (Exception wrong) when (wrong is InvalidOperationException or FormatException or KeyNotFoundException)
        {
            throw new JsonException($"A property is missing or of the wrong kind: {wrong.Message}", wrong);
        }
    }
}
