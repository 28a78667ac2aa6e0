namespace Hutch.Model.Machine;

/// <summary>Where the machine's screen, keyboard and mouse are served by the RFB protocol (RFC 6143).</summary>
/// <param name="Host">Address of this host to listen on, empty for all; null: <paramref name="SocketPath"/>.</param>
/// <param name="Port">TCP port; <see cref="FirstPort"/> and the number of the display.</param>
/// <param name="SocketPath">UNIX socket to listen on.</param>
/// <param name="PasswordPath">File whose first line is the password; null: everybody who reaches the address is let in.</param>
/// <param name="TlsFolder">Folder with the server's certificate and key in PEM; null: nothing is encrypted.</param>
/// <param name="WebSocketPort">TCP port of <paramref name="Host"/> for viewers in a browser (RFC 6455); null: none.</param>
public sealed record VncConfig(string? Host, int Port, string? SocketPath = null, string? PasswordPath = null, string? TlsFolder = null, int? WebSocketPort = null)
{
    /// <summary>The port of display 0.</summary>
    public const int FirstPort = 5900;

    /// <summary>The WebSocket port of display 0, where none is named.</summary>
    public const int FirstWebSocketPort = 5700;
}
