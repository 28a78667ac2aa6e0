using System;

namespace Hutch.Block.Nbd;

/// <summary>How a server serves.</summary>
public sealed record NbdServerOptions
{
    /// <summary>Certificates; then nothing is told or done without TLS. Null: no TLS.</summary>
    public NbdTls? Tls { get; init; }

    /// <summary>Connections at once; others are closed at once. Each can make the server hold 64 MiB.</summary>
    public int MostClients { get; init; } = 16;

    /// <summary>How long a client may take to choose an export.</summary>
    public TimeSpan HandshakeTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>Hears one line about what goes wrong with a client; null: nobody does. Any thread.</summary>
    public Action<string>? Report { get; init; }
}
