using System;
using Hutch.Host.Events;
using Hutch.Host.Files;
using Hutch.Net.Packets;

namespace Hutch.Net.Filters;

/// <summary>Writes every frame that passes a queue into a file.</summary>
internal sealed class CaptureQueue : INetQueue, INetBuffers
{
    private readonly CaptureFile _file;
    private readonly INetBuffers _buffers;
    private readonly INetQueue _inner;
    private readonly byte[] _frame = new byte[PacketOffload.LongestFrame];

    internal CaptureQueue(CaptureFile file, INetBuffers buffers, Func<INetBuffers, INetQueue> open)
    {
        (_file, _buffers) = (file, buffers);
        _inner = open(this);
    }

    /// <inheritdoc/>
    public bool Transmit(in PacketOffload offload, ReadOnlySpan<IoSegment> frame)
    {
        // A guest that changes a frame under way has two of it; which one the file gets says nothing about the network.
        int length = FrameSegments.Gather(frame, _frame);
        if (!_inner.Transmit(offload, frame)) return false;
        _file.Write(_frame.AsSpan(0, length), fromGuest: true);
        return true;
    }

    /// <inheritdoc/>
    public bool Receive(int most) => _inner.Receive(most);

    /// <inheritdoc/>
    public void Wait(EventFd wake, NetWait wanted, int timeoutMs)
    {
        // What passed is in the file before nothing passes for a while.
        if (timeoutMs != 0) _file.Flush();
        _inner.Wait(wake, wanted, timeoutMs);
    }

    /// <inheritdoc/>
    public bool TryDeliver(in PacketOffload offload, ReadOnlySpan<byte> frame)
    {
        if (!_buffers.TryDeliver(offload, frame)) return false;
        if (frame.Length <= PacketOffload.LongestFrame) _file.Write(frame, fromGuest: false);
        return true;
    }
}
