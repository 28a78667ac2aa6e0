using System;
using System.Net.Sockets;
using System.Threading;
using System.Threading.Tasks;

namespace Hutch.Management.Machines;

/// <summary>The socket of a machine's process, by lines. One task reads and one sends. The process is not trusted: its lines have a limit.</summary>
internal sealed class MachineSocket : IDisposable
{
    private readonly Socket _socket;
    private byte[] _buffer = new byte[1024];
    private int _first, _end;

    private MachineSocket(Socket socket) => _socket = socket;

    /// <summary>The longest line in bytes, its end included.</summary>
    internal const int LongestLine = 64 * 1024;

    /// <summary>Connects; null where nobody listens.</summary>
    internal static async ValueTask<MachineSocket?> ConnectAsync(string path, CancellationToken cancellation)
    {
        Socket socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            await socket.ConnectAsync(new UnixDomainSocketEndPoint(path), cancellation).ConfigureAwait(false);
            return new MachineSocket(socket);
        }
        catch (Exception refused)
        {
            socket.Dispose();
            if (refused is SocketException or ArgumentException) return null;
            throw;
        }
    }

    /// <summary>Sends a line with its end. Throws <see cref="SocketException"/> where the machine is gone.</summary>
    internal async ValueTask SendAsync(ReadOnlyMemory<byte> line, CancellationToken cancellation)
    {
        while (!line.IsEmpty) line = line[await _socket.SendAsync(line, cancellation).ConfigureAwait(false)..];
    }

    /// <summary>Reads a line without its end; null at the end of the stream and for too long a line. Valid until the next call. Throws <see cref="SocketException"/>.</summary>
    internal async ValueTask<ReadOnlyMemory<byte>?> ReadLineAsync(CancellationToken cancellation)
    {
        while (true)
        {
            int length = _buffer.AsSpan(_first, _end - _first).IndexOf((byte)'\n');
            if (length >= 0)
            {
                ReadOnlyMemory<byte> line = _buffer.AsMemory(_first, length);
                _first += length + 1;
                return line;
            }
            _buffer.AsSpan(_first, _end - _first).CopyTo(_buffer);
            (_first, _end) = (0, _end - _first);
            if (_end == LongestLine) return null;
            if (_end == _buffer.Length) Array.Resize(ref _buffer, Math.Min(_buffer.Length * 4, LongestLine));
            int count = await _socket.ReceiveAsync(_buffer.AsMemory(_end), cancellation).ConfigureAwait(false);
            if (count == 0) return null;
            _end += count;
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _socket.Dispose();
}
