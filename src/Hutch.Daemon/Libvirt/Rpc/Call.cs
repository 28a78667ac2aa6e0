using System;
using System.Threading;

namespace Hutch.Daemon.Libvirt.Rpc;

/// <summary>One call as a procedure sees it.</summary>
/// <param name="Client">Who calls.</param>
/// <param name="Header">The packet's header.</param>
/// <param name="Streams">The streams of the connection.</param>
/// <param name="Cancellation">Fires when the caller is gone.</param>
internal readonly record struct Call(Client Client, PacketHeader Header, StreamTable Streams, CancellationToken Cancellation)
{
    /// <summary>Opens the stream that comes with this call. Throws <see cref="LibvirtException"/>.</summary>
    internal void OpenStream(Func<RpcStream, IStreamEnd> begin) => Streams.Open(Header, begin);
}
