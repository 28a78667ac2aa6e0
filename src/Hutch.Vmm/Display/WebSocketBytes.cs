using System;
using System.IO;
using System.Net.WebSockets;
using System.Security.Cryptography;
using System.Text;
using System.Threading;
using System.Threading.Tasks;

namespace Hutch.Vmm.Display;

/// <summary>A WebSocket as a stream of bytes: what comes in binary messages, wherever they begin and end. A wait ends with its timeout, and the connection with it.</summary>
internal sealed class WebSocketBytes : Stream
{
    // RFC 6455 §1.3.
    private const string Guid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

    private readonly WebSocket _socket;
    private readonly Stream _below;

    private WebSocketBytes(WebSocket socket, Stream below) => (_socket, _below) = (socket, below);

    /// <inheritdoc/>
    public override bool CanRead => true;

    /// <inheritdoc/>
    public override bool CanWrite => true;

    /// <inheritdoc/>
    public override bool CanSeek => false;

    /// <inheritdoc/>
    public override bool CanTimeout => true;

    /// <inheritdoc/>
    public override int ReadTimeout { get; set; } = Timeout.Infinite;

    /// <inheritdoc/>
    public override int WriteTimeout { get; set; } = Timeout.Infinite;

    /// <inheritdoc/>
    public override long Length => throw new NotSupportedException();

    /// <inheritdoc/>
    public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

    /// <summary>Answers a request to become a WebSocket. Throws <see cref="InvalidDataException"/> where it is refused, which the client has been told.</summary>
    /// <param name="stream">The connection.</param>
    /// <param name="isOpenToAll">Nobody is asked for a password, so that pages from elsewhere are refused.</param>
    internal static WebSocketBytes Accept(Stream stream, bool isOpenToAll)
    {
        WebSocketRequest request = WebSocketRequest.Read(stream);
        if (request.Mistake() is string mistake) throw Refuse(stream, "400 Bad Request", mistake);
        if (isOpenToAll && !request.IsFromHere()) throw Refuse(stream, "403 Forbidden", "A page from another host may see this screen only where a password is asked for.");
        string? protocol = request.OffersBinary ? "binary" : null;
#pragma warning disable CA5350 // SHA-1 is what the protocol asks for, and protects nothing here.
        string accept = Convert.ToBase64String(SHA1.HashData(Encoding.ASCII.GetBytes(request.Key + Guid)));
#pragma warning restore CA5350
        string chosen = protocol is null ? "" : $"Sec-WebSocket-Protocol: {protocol}\r\n";
        stream.Write(Encoding.ASCII.GetBytes($"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n{chosen}\r\n"));
        return new WebSocketBytes(WebSocket.CreateFromStream(stream, new WebSocketCreationOptions { IsServer = true, SubProtocol = protocol }), stream);
    }

    /// <inheritdoc/>
    public override int Read(byte[] buffer, int offset, int count)
    {
        while (true)
        {
            ValueWebSocketReceiveResult result = Wait((socket, memory, token) => socket.ReceiveAsync(memory, token).AsTask(), buffer.AsMemory(offset, count), ReadTimeout);
            if (result.MessageType == WebSocketMessageType.Close) return 0;
            if (result.MessageType != WebSocketMessageType.Binary) throw new InvalidDataException("a message of text");
            if (result.Count != 0) return result.Count;
        }
    }

    /// <inheritdoc/>
    public override void Write(byte[] buffer, int offset, int count) => Wait(
        static async (socket, memory, token) =>
        {
            await socket.SendAsync(memory, WebSocketMessageType.Binary, endOfMessage: true, token).ConfigureAwait(false);
            return 0;
        },
        buffer.AsMemory(offset, count), WriteTimeout);

    /// <inheritdoc/>
    public override void Flush() { }

    /// <inheritdoc/>
    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    /// <inheritdoc/>
    public override void SetLength(long value) => throw new NotSupportedException();

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _below.Dispose();
            _socket.Dispose();
        }
        base.Dispose(disposing);
    }

    private static InvalidDataException Refuse(Stream stream, string status, string reason)
    {
        stream.Write(Encoding.ASCII.GetBytes($"HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nConnection: close\r\nContent-Length: {reason.Length + 1}\r\n\r\n{reason}\n"));
        return new InvalidDataException(reason);
    }

    private T Wait<T>(Func<WebSocket, Memory<byte>, CancellationToken, Task<T>> operation, Memory<byte> memory, int timeout)
    {
        using CancellationTokenSource late = new(timeout);
        try
        {
            return operation(_socket, memory, late.Token).GetAwaiter().GetResult();
        }
        catch (Exception end) when (end is WebSocketException or OperationCanceledException)
        {
            throw new IOException(end.Message, end);
        }
    }
}
