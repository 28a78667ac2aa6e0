using System;
using System.Threading;
using System.Threading.Tasks;

namespace Hutch.Daemon.Libvirt.Rpc;

/// <summary>
/// The server's end of a stream of bytes that a call opened: packets with the call's procedure and serial number. Any thread; one sends at a time. After <see cref="EndAsync"/> or <see cref="FailAsync"/>, and after the client has
/// ended it, nothing more is sent.
/// </summary>
internal sealed class RpcStream(PacketHeader call, Outbox outbox)
{
    /// <summary>The most bytes of data in a packet that libvirt's own programs send.</summary>
    internal const int UsualBytes = 262_120;

    private int _isOver;

    /// <summary>Whether nothing is sent any more.</summary>
    internal bool IsOver => Volatile.Read(ref _isOver) != 0;

    /// <summary>Sends data; the task ends when the peer's socket has taken it. Without data it says that no more follows.</summary>
    internal Task SendAsync(ReadOnlySpan<byte> data) => IsOver ? Task.CompletedTask : outbox.PostReply(Frame(PacketStatus.Continue, data));

    /// <summary>No more data follows; the client ends the stream upon that.</summary>
    internal Task EndAsync() => SendAsync([]);

    /// <summary>The stream broke.</summary>
    internal Task FailAsync(LibvirtException why)
    {
        Xdr.XdrWriter error = new();
        why.ToError().Write(error);
        return IsOverNow() ? outbox.PostReply(Frame(PacketStatus.Error, error.Written)) : Task.CompletedTask;
    }

    /// <summary>The client ended it, or gave it up; that is answered.</summary>
    internal Task ConfirmAsync() => IsOverNow() ? outbox.PostReply(Frame(PacketStatus.Ok, [])) : Task.CompletedTask;

    private bool IsOverNow() => Interlocked.Exchange(ref _isOver, 1) == 0;

    private byte[] Frame(PacketStatus status, ReadOnlySpan<byte> payload) => (call with { Type = PacketType.Stream, Status = status }).Frame(payload);
}

/// <summary>What is at the end of a stream. One call at a time, on the task that reads the connection: it does not wait for a guest.</summary>
internal interface IStreamEnd : IDisposable
{
    /// <summary>Data came from the client. Throws <see cref="LibvirtException"/> where it cannot be taken.</summary>
    ValueTask TakeAsync(ReadOnlyMemory<byte> data);

    /// <summary>No more comes; what came is where it belongs on return. Throws <see cref="LibvirtException"/>.</summary>
    ValueTask FinishAsync();
}
