using System;
using System.IO;
using System.Net;
using System.Net.Sockets;
using System.Threading;
using System.Threading.Tasks;

namespace Hutch.Host.Sockets;

/// <summary>A listening socket whose connections are streams of bytes.</summary>
public sealed class StreamListener : IDisposable
{
    private const int Backlog = 128;

    private readonly Socket _socket;
    private readonly string? _path;

    private StreamListener(Socket socket, string? path) => (_socket, _path) = (socket, path);

    /// <summary>The TCP port; 0 for a UNIX socket.</summary>
    public int Port => (_socket.LocalEndPoint as IPEndPoint)?.Port ?? 0;

    /// <summary>
    /// Listens on a UNIX socket for this user alone. A socket file on which nobody listens any more is replaced. Throws <see cref="SocketException"/> or
    /// <see cref="IOException"/>.
    /// </summary>
    public static StreamListener OnUnix(string path)
    {
        UnixDomainSocketEndPoint address = StreamSocket.UnixAddress(path);
        RemoveStale(path, address);
        Socket socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            socket.Bind(address);
            // Before anybody can connect.
            File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite);
            socket.Listen(Backlog);
            return new StreamListener(socket, path);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    /// <summary>Listens on a TCP port. Throws <see cref="SocketException"/>.</summary>
    /// <param name="host">An address of this host; empty: all.</param>
    /// <param name="port">The port; 0: any that is free.</param>
    public static StreamListener OnTcp(string host, int port)
    {
        IPAddress address = StreamSocket.AddressOf(host);
        Socket socket = new(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            if (address.Equals(IPAddress.IPv6Any)) socket.DualMode = true;
            socket.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.ReuseAddress, true);
            socket.Bind(new IPEndPoint(address, port));
            socket.Listen(Backlog);
            return new StreamListener(socket, null);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    /// <summary>Waits for a connection. Throws <see cref="SocketException"/>, for example where this process has no descriptors left.</summary>
    public async ValueTask<Stream> AcceptAsync(CancellationToken cancellation)
    {
        Socket peer = await _socket.AcceptAsync(cancellation).ConfigureAwait(false);
        if (_path is null) peer.NoDelay = true;
        return new NetworkStream(peer, ownsSocket: true);
    }

    /// <summary>Ends listening and removes the socket file.</summary>
    public void Dispose()
    {
        _socket.Dispose();
        if (_path is not null) File.Delete(_path);
    }

    private static void RemoveStale(string path, UnixDomainSocketEndPoint address)
    {
        if (!File.Exists(path)) return;
        using Socket trial = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            trial.Connect(address);
        }
        catch (SocketException e) when (e.SocketErrorCode == SocketError.ConnectionRefused)
        {
            // Refused: a socket that nobody listens on. A file that is no socket refuses too, and is not ours to remove.
            if (File.GetAttributes(path).HasFlag(FileAttributes.Normal) || new FileInfo(path).Length != 0) throw;
            File.Delete(path);
        }
    }
}
