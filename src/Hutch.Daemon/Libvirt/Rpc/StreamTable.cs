using System;
using System.Collections.Generic;
using System.Threading;
using System.Threading.Tasks;

namespace Hutch.Daemon.Libvirt.Rpc;

/// <summary>The streams that a connection has open. They end with it.</summary>
internal sealed class StreamTable(Outbox outbox) : IDisposable
{
    /// <summary>The most that a connection can have.</summary>
    internal const int Most = 64;

    private readonly Lock _lock = new();
    private readonly Dictionary<(int Procedure, uint Serial), (RpcStream Stream, IStreamEnd End)> _open = [];
    private bool _ended;

    /// <summary>Opens the stream of a call. Throws <see cref="LibvirtException"/> where there are too many.</summary>
    internal void Open(PacketHeader call, Func<RpcStream, IStreamEnd> begin)
    {
        lock (_lock)
        {
            if (_ended || _open.Count == Most || _open.ContainsKey((call.Procedure, call.Serial)))
                throw new LibvirtException(ErrorCode.OperationFailed, ErrorDomain.Rpc, $"operation failed: a connection can have {Most} streams, each of a call of its own; end some");
            RpcStream stream = new(call, outbox);
            _open.Add((call.Procedure, call.Serial), (stream, begin(stream)));
        }
    }

    /// <summary>Passes a packet on. What still comes for a stream that has ended is no fault of the client.</summary>
    internal async ValueTask TakeAsync(Packet packet)
    {
        (RpcStream Stream, IStreamEnd End) open;
        lock (_lock)
            if (!_open.TryGetValue((packet.Header.Procedure, packet.Header.Serial), out open)) return;
        if (open.Stream.IsOver)
        {
            Close(packet.Header);
            return;
        }
        try
        {
            if (packet.Header.Status == PacketStatus.Continue)
            {
                await open.End.TakeAsync(packet.Payload).ConfigureAwait(false);
                return;
            }
            if (packet.Header.Status == PacketStatus.Ok) await open.End.FinishAsync().ConfigureAwait(false);
            // First, for what is at the end may say something when it is closed.
            _ = open.Stream.ConfirmAsync();
            Close(packet.Header);
        }
        catch (LibvirtException refused)
        {
            _ = open.Stream.FailAsync(refused);
            Close(packet.Header);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (_lock)
        {
            _ended = true;
            foreach ((_, IStreamEnd end) in _open.Values) end.Dispose();
            _open.Clear();
        }
    }

    private void Close(PacketHeader header)
    {
        (RpcStream Stream, IStreamEnd End) closed;
        lock (_lock)
            if (!_open.Remove((header.Procedure, header.Serial), out closed)) return;
        closed.End.Dispose();
    }
}
