using System;
using Hutch.Host.Events;
using Hutch.Host.Files;
using Hutch.Host.Networks;
using Hutch.Net.Packets;

namespace Hutch.Net.UserMode;

/// <summary>The queue of a user network. The stack runs on the thread that serves the card, inside these calls, so that a frame passes without a second thread.</summary>
internal sealed class UserQueue : INetQueue, ISlirpClient
{
    // A connection has at most 64 KiB under way, so that this is several, before the stack is left alone.
    private const int BacklogBytes = 1 << 20;

    private readonly FrameBacklog _backlog = new(BacklogBytes);
    private byte[] _frame = new byte[2048];

    /// <summary>The stack. Set before the first call.</summary>
    internal SlirpStack? Stack { get; set; }

    /// <summary>Where frames for the guest go. Set before the first call.</summary>
    internal INetBuffers? Buffers { get; set; }

    /// <inheritdoc/>
    public bool Transmit(in PacketOffload offload, ReadOnlySpan<IoSegment> frame)
    {
        long length = FrameSegments.LengthOf(frame);
        if (length > PacketOffload.LongestFrame) return true;
        if (length > _frame.Length) _frame = new byte[PacketOffload.LongestFrame];
        // The stack looks at frames again and again: it gets a copy that the guest cannot change.
        Stack!.Input(_frame.AsSpan(0, FrameSegments.Gather(frame, offload, _frame)));
        return true;
    }

    /// <inheritdoc/>
    public bool Receive(int most)
    {
        _ = _backlog.Deliver(Buffers!, PacketOffload.Verified);
        Stack!.Dispatch();
        return false;
    }

    /// <inheritdoc/>
    public void Wait(EventFd wake, NetWait wanted, int timeoutMs) =>
        Stack!.Wait(wake, sockets: !_backlog.IsHalfFull, timeoutMs);

    /// <inheritdoc/>
    public void Receive(ReadOnlySpan<byte> frame)
    {
        // Frames keep their order: none passes those that wait.
        if (!_backlog.IsEmpty || !Buffers!.TryDeliver(PacketOffload.Verified, frame)) _backlog.Add(frame);
    }
}
