using System;
using Hutch.Host.Events;
using Hutch.Host.Files;
using Hutch.Host.Networks;

namespace Hutch.Net.Tap;

/// <summary>A queue of a tap interface. A frame that finds no room in the guest waits here, and the others in the kernel's queue.</summary>
internal sealed class TapNetQueue(TapQueue tap, INetBuffers buffers) : INetQueue
{
    private readonly byte[] _buffer = new byte[PacketOffload.Bytes + PacketOffload.LongestFrame];
    private int _waiting;

    /// <inheritdoc/>
    public bool Transmit(in PacketOffload offload, ReadOnlySpan<IoSegment> frame)
    {
        Span<byte> header = stackalloc byte[PacketOffload.Bytes];
        offload.Write(header);
        return tap.Send(header, frame);
    }

    /// <inheritdoc/>
    public bool Receive(int most)
    {
        for (; most != 0; most--)
        {
            if (_waiting == 0) _waiting = tap.Receive(_buffer);
            if (_waiting == 0) return false;
            if (_waiting > PacketOffload.Bytes
                && !buffers.TryDeliver(PacketOffload.Read(_buffer), _buffer.AsSpan(PacketOffload.Bytes, _waiting - PacketOffload.Bytes))) return false;
            _waiting = 0;
        }
        return true;
    }

    /// <inheritdoc/>
    public void Wait(EventFd wake, NetWait wanted, int timeoutMs) =>
        tap.Wait(wake, (wanted & NetWait.Receive) != 0, (wanted & NetWait.Transmit) != 0, timeoutMs);
}
