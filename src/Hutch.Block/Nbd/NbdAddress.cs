using System;
using System.Globalization;
using Hutch.Block.Formats;

namespace Hutch.Block.Nbd;

/// <summary>Where an export is.</summary>
internal sealed record NbdAddress
{
    /// <summary>Path of the UNIX socket; null for TCP.</summary>
    internal string? UnixPath { get; init; }

    /// <summary>Name or address of the host.</summary>
    internal string Host { get; init; } = "";

    /// <summary>TCP port.</summary>
    internal int Port { get; init; } = NbdProtocol.DefaultPort;

    /// <summary>Name of the export; often empty.</summary>
    internal string Export { get; init; } = "";

    /// <summary>The name asks for TLS (nbds).</summary>
    internal bool Tls { get; init; }

    /// <summary>
    /// Reads a name: <c>nbd://HOST[:PORT][/EXPORT]</c>, <c>nbd+unix://[/EXPORT]?socket=PATH</c>, the same with nbds, and the older
    /// <c>nbd:HOST:PORT[:exportname=EXPORT]</c> and <c>nbd:unix:PATH[:exportname=EXPORT]</c>. Throws <see cref="ImageException"/>.
    /// </summary>
    internal static NbdAddress Parse(string name)
    {
        int colon = name.IndexOf(':', StringComparison.Ordinal);
        if (colon < 0) throw Wrong(name);
        string rest = name[(colon + 1)..];
        NbdAddress address = name[..colon] switch
        {
            "nbd" when !rest.StartsWith("//", StringComparison.Ordinal) => ParseOld(name, rest),
            "nbd" or "nbd+tcp" => ParseTcp(name, rest),
            "nbds" or "nbds+tcp" => ParseTcp(name, rest) with { Tls = true },
            "nbd+unix" => ParseUnix(name, rest),
            "nbds+unix" => ParseUnix(name, rest) with { Tls = true },
            _ => throw Wrong(name),
        };
        if (System.Text.Encoding.UTF8.GetByteCount(address.Export) > NbdProtocol.LongestText) throw new ImageException("export name too long to send to server");
        return address;
    }

    /// <summary>The name as messages show it.</summary>
    public override string ToString()
    {
        string scheme = Tls ? "nbds" : "nbd", export = Export.Length == 0 ? "" : $"/{Export}";
        if (UnixPath is not null) return $"{scheme}+unix://{export}?socket={UnixPath}";
        string host = Host.Contains(':', StringComparison.Ordinal) ? $"[{Host}]" : Host;
        return string.Create(CultureInfo.InvariantCulture, $"{scheme}://{host}:{Port}{export}");
    }

    private static NbdAddress ParseTcp(string name, string rest)
    {
        (string authority, string export, string query) = Split(name, rest);
        if (query.Length != 0) throw Wrong(name);
        string port = "";
        int end = authority.StartsWith('[') ? authority.IndexOf(']', StringComparison.Ordinal) : -1;
        int colon = authority.IndexOf(':', Math.Max(end, 0));
        if (colon >= 0) (authority, port) = (authority[..colon], authority[(colon + 1)..]);
        if (end > 0) authority = authority[1..end];
        return new NbdAddress { Host = authority.Length == 0 ? "localhost" : Uri.UnescapeDataString(authority), Port = ParsePort(name, port), Export = export };
    }

    private static NbdAddress ParseUnix(string name, string rest)
    {
        (string authority, string export, string query) = Split(name, rest);
        // One parameter, and no host.
        if (authority.Length != 0 || !query.StartsWith("socket=", StringComparison.Ordinal) || query.Contains('&', StringComparison.Ordinal)) throw Wrong(name);
        return new NbdAddress { UnixPath = Uri.UnescapeDataString(query["socket=".Length..]), Export = export };
    }

    private static NbdAddress ParseOld(string name, string rest)
    {
        const string Export = ":exportname=", Unix = "unix:";
        string export = "";
        int at = rest.IndexOf(Export, StringComparison.Ordinal);
        if (at >= 0) (rest, export) = (rest[..at], rest[(at + Export.Length)..]);
        if (rest.StartsWith(Unix, StringComparison.Ordinal)) return new NbdAddress { UnixPath = rest[Unix.Length..], Export = export };
        int colon = rest.LastIndexOf(':');
        if (colon < 0) throw Wrong(name);
        return new NbdAddress { Host = rest[..colon].Trim('[', ']'), Port = ParsePort(name, rest[(colon + 1)..]), Export = export };
    }

    private static (string Authority, string Export, string Query) Split(string name, string rest)
    {
        if (!rest.StartsWith("//", StringComparison.Ordinal)) throw Wrong(name);
        rest = rest[2..];
        string query = "";
        int mark = rest.IndexOf('?', StringComparison.Ordinal);
        if (mark >= 0) (rest, query) = (rest[..mark], rest[(mark + 1)..]);
        int slash = rest.IndexOf('/', StringComparison.Ordinal);
        return slash < 0 ? (rest, "", query) : (rest[..slash], Uri.UnescapeDataString(rest[(slash + 1)..]), query);
    }

    private static int ParsePort(string name, string text)
    {
        if (text.Length == 0) return NbdProtocol.DefaultPort;
        return int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int port) && port is > 0 and < 65536 ? port : throw Wrong(name);
    }

    private static ImageException Wrong(string name) => new($"'{name}' is no valid NBD address", "Write nbd://HOST[:PORT]/EXPORT or nbd+unix:///EXPORT?socket=PATH.");
}
