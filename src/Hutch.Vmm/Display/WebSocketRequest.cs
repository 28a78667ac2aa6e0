using System;
using System.Collections.Generic;
using System.IO;
using System.Net;
using System.Text;

namespace Hutch.Vmm.Display;

/// <summary>What a browser asks before its connection becomes a WebSocket (RFC 6455 §4.1): the request line and the fields behind it.</summary>
internal sealed class WebSocketRequest
{
    private const int MostBytes = 8192;

    private readonly Dictionary<string, string> _fields = new(StringComparer.OrdinalIgnoreCase);

    private WebSocketRequest() { }

    /// <summary>The client's half of the key; empty: none that can be answered.</summary>
    internal string Key => Field("Sec-WebSocket-Key");

    /// <summary>Whether the client offers the subprotocol "binary", which viewers of old ask for.</summary>
    internal bool OffersBinary => Has("Sec-WebSocket-Protocol", "binary");

    /// <summary>Reads one, up to its empty line. Throws <see cref="InvalidDataException"/> for what is none, <see cref="EndOfStreamException"/>.</summary>
    internal static WebSocketRequest Read(Stream stream)
    {
        byte[] bytes = new byte[MostBytes];
        int length = 0;
        // Nothing may follow before the answer, so that the end of the request is the end of what has come.
        while (!bytes.AsSpan(0, length).EndsWith("\r\n\r\n"u8))
        {
            if (length == bytes.Length) throw new InvalidDataException("a request of more than 8 KiB");
            int count = stream.Read(bytes, length, bytes.Length - length);
            if (count == 0) throw new EndOfStreamException();
            length += count;
        }
        return Parse(Encoding.Latin1.GetString(bytes, 0, length - 4).Split("\r\n"));
    }

    /// <summary>Why it cannot be granted; null: it can.</summary>
    internal string? Mistake()
    {
        if (!Has("Upgrade", "websocket") || !Has("Connection", "Upgrade") || Field("Sec-WebSocket-Version") != "13") return "This port is for WebSockets of version 13.";
        Span<byte> key = stackalloc byte[16];
        return Convert.TryFromBase64String(Key, key, out int length) && length == key.Length ? null : "The WebSocket's key is not 16 bytes in base64.";
    }

    /// <summary>
    /// Whether the page that asks may see the screen where nobody is asked for a password. Every page that the user's browser shows can reach this host's ports, so that it must
    /// come from the same host, by an address or as localhost: a name could be made to mean this host by whoever owns it.
    /// </summary>
    internal bool IsFromHere()
    {
        string origin = Field("Origin");
        if (origin.Length == 0) return true;
        return Uri.TryCreate(origin, UriKind.Absolute, out Uri? page) && Uri.TryCreate($"http://{Field("Host")}", UriKind.Absolute, out Uri? here)
            && page.Host == here.Host && (here.Host == "localhost" || IPAddress.TryParse(here.Host.Trim('[', ']'), out _));
    }

    private static WebSocketRequest Parse(string[] lines)
    {
        WebSocketRequest request = new();
        string[] words = lines[0].Split(' ');
        if (words.Length != 3 || words[0] != "GET" || !words[2].StartsWith("HTTP/1.", StringComparison.Ordinal)) throw new InvalidDataException("no request of a WebSocket");
        foreach (string line in lines.AsSpan(1))
        {
            int colon = line.IndexOf(':', StringComparison.Ordinal);
            if (colon <= 0) throw new InvalidDataException("a field without a name");
            string name = line[..colon], value = line[(colon + 1)..].Trim();
            request._fields[name] = request._fields.TryGetValue(name, out string? before) ? $"{before}, {value}" : value;
        }
        return request;
    }

    private string Field(string name) => _fields.GetValueOrDefault(name, "");

    private bool Has(string name, string word)
    {
        foreach (string part in Field(name).Split(','))
            if (part.Trim().Equals(word, StringComparison.OrdinalIgnoreCase)) return true;
        return false;
    }
}
