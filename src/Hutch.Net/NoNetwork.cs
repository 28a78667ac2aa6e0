using System;
using Hutch.Host.Events;
using Hutch.Host.Files;

namespace Hutch.Net;

/// <summary>A cable that leads nowhere: what is sent is lost, and nothing ever comes.</summary>
internal sealed class NoNetwork : INetBackend, INetQueue
{
    /// <inheritdoc/>
    public string Description => "no network";

    /// <inheritdoc/>
    public int MostQueues => int.MaxValue;

    /// <inheritdoc/>
    public int MtuBytes => 0;

    /// <inheritdoc/>
    public NetOffloads Offloads => NetOffloads.TransmitChecksum | NetOffloads.TransmitTso4 | NetOffloads.TransmitTso6 | NetOffloads.ReceiveChecksum;

    /// <inheritdoc/>
    public INetQueue OpenQueue(int index, INetBuffers buffers) => this;

    /// <inheritdoc/>
    public void Configure(NetOffloads used, int queues) { }

    /// <inheritdoc/>
    public bool Transmit(in PacketOffload offload, ReadOnlySpan<IoSegment> frame) => true;

    /// <inheritdoc/>
    public bool Receive(int most) => false;

    /// <inheritdoc/>
    public void Wait(EventFd wake, NetWait wanted, int timeoutMs) => wake.WaitForCount(timeoutMs);

    /// <inheritdoc/>
    public void Dispose() { }
}
