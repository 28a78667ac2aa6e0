using System;

namespace Hutch.Block.Nbd;

/// <summary>How to connect to an export.</summary>
internal sealed record NbdClientOptions
{
    /// <summary>Where it is.</summary>
    internal required NbdAddress Address { get; init; }

    /// <summary>Certificates; null without TLS.</summary>
    internal NbdTls? Tls { get; init; }

    /// <summary>Nothing is written, even where the server would allow it.</summary>
    internal bool ReadOnly { get; init; }

    /// <summary>Block status is that of this context (for example qemu:dirty-bitmap:NAME) and not base:allocation; null otherwise.</summary>
    internal string? Context { get; init; }

    /// <summary>How long requests wait for a lost connection to be made again; zero fails them.</summary>
    internal TimeSpan ReconnectDelay { get; init; }

    /// <summary>How long connecting and the handshake may take.</summary>
    internal TimeSpan OpenTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>Clock and timers.</summary>
    internal TimeProvider Time { get; init; } = TimeProvider.System;
}
