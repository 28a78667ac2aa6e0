using System.IO;
using System.Threading;
using System.Threading.Channels;
using System.Threading.Tasks;

namespace Hutch.Daemon.Libvirt.Rpc;

/// <summary>Packets that wait to be sent to one peer, in the order in which they were posted. Any thread posts.</summary>
internal sealed class Outbox
{
    /// <summary>Messages that a peer may leave unread before it is given up. Replies do not count: a peer has only so many calls at a time.</summary>
    internal const int MostMessages = 4096;

    private readonly Channel<(byte[] Packet, TaskCompletionSource? Sent)> _waiting = Channel.CreateUnbounded<(byte[], TaskCompletionSource?)>(new UnboundedChannelOptions { SingleReader = true });
    private int _messages;

    /// <summary>Posts a reply; the task ends when it was sent, or when the connection has ended.</summary>
    internal Task PostReply(byte[] packet)
    {
        TaskCompletionSource sent = new(TaskCreationOptions.RunContinuationsAsynchronously);
        return _waiting.Writer.TryWrite((packet, sent)) ? sent.Task : Task.CompletedTask;
    }

    /// <summary>Posts what nobody asked for. False when the peer has left too many unread.</summary>
    internal bool TryPostMessage(byte[] packet) => Interlocked.Increment(ref _messages) <= MostMessages && _waiting.Writer.TryWrite((packet, null));

    /// <summary>Posts no more; <see cref="SendAsync"/> ends when all is sent.</summary>
    internal void Close() => _waiting.Writer.TryComplete();

    /// <summary>Sends until <see cref="Close"/>, then returns. Throws <see cref="IOException"/> when the peer is gone.</summary>
    internal async Task SendAsync(Stream stream, CancellationToken cancellation)
    {
        try
        {
            await foreach ((byte[] packet, TaskCompletionSource? sent) in _waiting.Reader.ReadAllAsync(cancellation).ConfigureAwait(false))
            {
                await stream.WriteAsync(packet, cancellation).ConfigureAwait(false);
                if (sent is null) Interlocked.Decrement(ref _messages);
                else sent.SetResult();
            }
        }
        finally
        {
            Close();
            while (_waiting.Reader.TryRead(out (byte[] Packet, TaskCompletionSource? Sent) unsent)) unsent.Sent?.SetResult();
        }
    }
}
