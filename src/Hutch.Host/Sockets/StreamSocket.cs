using System;
using System.IO;
using System.Net;
using System.Net.Sockets;
using System.Threading;
using System.Threading.Tasks;

namespace Hutch.Host.Sockets;

/// <summary>Connections to other programs as streams of bytes. Failures are <see cref="SocketException"/> or <see cref="IOException"/>, whose messages are the kernel's.</summary>
public static class StreamSocket
{
    /// <summary>Connects to a UNIX socket.</summary>
    public static async ValueTask<Stream> ConnectUnixAsync(string path, CancellationToken cancellation)
    {
        // The framework would call it an address that cannot be assigned.
        if (!Path.Exists(path)) throw new FileNotFoundException("No such file or directory", path);
        Socket socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            await socket.ConnectAsync(UnixAddress(path), cancellation).ConfigureAwait(false);
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    /// <summary>Connects to a TCP port; of a name's addresses the first that answers.</summary>
    public static async ValueTask<Stream> ConnectTcpAsync(string host, int port, CancellationToken cancellation)
    {
        Socket socket = new(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            await socket.ConnectAsync(host, port, cancellation).ConfigureAwait(false);
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    /// <summary>The address of a path. Throws <see cref="IOException"/> where it is longer than an address holds.</summary>
    internal static UnixDomainSocketEndPoint UnixAddress(string path)
    {
        try
        {
            return new UnixDomainSocketEndPoint(path);
        }
        catch (ArgumentOutOfRangeException e)
        {
            throw new IOException($"The socket's path {path} is too long; a socket's has at most 107 bytes.", e);
        }
    }

    /// <summary>Whether a text is a number of a host's address, or a name that stands for all addresses.</summary>
    internal static IPAddress AddressOf(string host) =>
        host.Length == 0 || host == "*" ? IPAddress.IPv6Any : IPAddress.TryParse(host, out IPAddress? address) ? address : Dns.GetHostAddresses(host)[0];
}
