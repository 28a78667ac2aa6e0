using System;
using System.IO;
using System.Net.Sockets;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Host.Linux;
using Hutch.Host.Sockets;

namespace Hutch.Daemon.Libvirt.Rpc;

/// <summary>A UNIX socket that takes connections of libvirt's clients, and its file.</summary>
internal sealed class RpcListener : IDisposable
{
    private const int Backlog = 128;

    private readonly Socket _socket;

    private RpcListener(Socket socket, string path, bool isReadOnly) => (_socket, Path, IsReadOnly) = (socket, path, isReadOnly);

    /// <summary>The socket's path.</summary>
    internal string Path { get; }

    /// <summary>Whether those who come here may only look.</summary>
    internal bool IsReadOnly { get; }

    /// <summary>
    /// Listens. A socket that is there and that nobody listens on is replaced. Throws <see cref="IOException"/> with a sentence where somebody does, or where the path cannot be used.
    /// </summary>
    /// <param name="path">Path of the socket.</param>
    /// <param name="isReadOnly">Those who come here may only look.</param>
    /// <param name="mode">Who may connect.</param>
    internal static RpcListener Open(string path, bool isReadOnly, UnixFileMode mode)
    {
        Socket socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            LocalStreams.RemoveStale(path);
            socket.Bind(new UnixDomainSocketEndPoint(path));
            File.SetUnixFileMode(path, mode);
            socket.Listen(Backlog);
            return new RpcListener(socket, path, isReadOnly);
        }
        catch (Exception refused) when (refused is SocketException or UnauthorizedAccessException or LinuxException or IOException)
        {
            socket.Dispose();
            throw new IOException($"hutchd cannot listen on {path} ({refused.Message.TrimEnd('.')}); name another with --listen.", refused);
        }
    }

    /// <summary>The next connection and who made it. Throws <see cref="OperationCanceledException"/>, <see cref="SocketException"/>.</summary>
    internal async ValueTask<(Socket Socket, ClientIdentity Identity)> AcceptAsync(CancellationToken cancellation)
    {
        Socket connection = await _socket.AcceptAsync(cancellation).ConfigureAwait(false);
        return (connection, IdentityOf(connection));
    }

    /// <summary>Listens no more; the framework removes the file of a socket that it bound.</summary>
    public void Dispose() => _socket.Dispose();

    // SO_PEERCRED (unix(7)): process, user and group, a word each.
    private static ClientIdentity IdentityOf(Socket connection)
    {
        const int SolSocket = 1, SoPeerCredentials = 17;
        Span<byte> credentials = stackalloc byte[3 * sizeof(int)];
        connection.GetRawSocketOption(SolSocket, SoPeerCredentials, credentials);
        return new ClientIdentity(BitConverter.ToUInt32(credentials[4..]), BitConverter.ToInt32(credentials));
    }
}
