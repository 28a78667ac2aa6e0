using System;
using System.Net.Sockets;
using System.Text.Json;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Model.Control;

namespace Hutch.Management.Machines;

/// <summary>
/// A connection to the control socket of a machine's process. One request at a time. The process is not trusted: its lines have a limit, and it has a time to answer.
/// </summary>
internal sealed class MachineConnection : IDisposable
{
    // A machine answers at once what does not wait for its guest.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    private readonly Socket _socket;
    private readonly byte[] _buffer = new byte[LongestLine];
    private int _first, _end;

    private MachineConnection(Socket socket) => _socket = socket;

    /// <summary>The longest line in bytes, its end included.</summary>
    internal const int LongestLine = 64 * 1024;

    /// <summary>Connects; null where nobody listens.</summary>
    internal static async ValueTask<MachineConnection?> ConnectAsync(string path, CancellationToken cancellation)
    {
        Socket socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            await socket.ConnectAsync(new UnixDomainSocketEndPoint(path), cancellation).ConfigureAwait(false);
            return new MachineConnection(socket);
        }
        catch (Exception refused)
        {
            socket.Dispose();
            if (refused is SocketException) return null;
            throw;
        }
    }

    /// <summary>Asks; null where the machine is gone or does not answer in time. Throws <see cref="ManagementException"/> for a refusal.</summary>
    internal async ValueTask<VmReply?> AskAsync(VmRequest request, CancellationToken cancellation)
    {
        using CancellationTokenSource patience = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        patience.CancelAfter(Patience);
        try
        {
            ReadOnlyMemory<byte> line = ControlLine.Write(request);
            while (!line.IsEmpty) line = line[await _socket.SendAsync(line, patience.Token).ConfigureAwait(false)..];
            while (await ReadLineAsync(patience.Token).ConfigureAwait(false) is { } answer)
            {
                VmReply reply = ControlLine.ReadReply(answer.Span);
                if (reply.Kind == VmReplyKind.Done) return reply;
                if (reply.Kind == VmReplyKind.Error) throw new ManagementException(FailureKind.Refused, reply.Message ?? "the machine refused");
                patience.CancelAfter(Patience);
            }
            return null;
        }
        catch (Exception gone) when (gone is SocketException or JsonException || (gone is OperationCanceledException && !cancellation.IsCancellationRequested))
        {
            return null;
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _socket.Dispose();

    // Without its end; null at the end of the stream and for too long a line. Valid until the next call.
    private async ValueTask<ReadOnlyMemory<byte>?> ReadLineAsync(CancellationToken cancellation)
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
            if (_end == _buffer.Length) return null;
            int count = await _socket.ReceiveAsync(_buffer.AsMemory(_end), cancellation).ConfigureAwait(false);
            if (count == 0) return null;
            _end += count;
        }
    }
}
