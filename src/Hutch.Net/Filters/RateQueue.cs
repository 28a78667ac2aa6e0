using System;
using Hutch.Host.Events;
using Hutch.Host.Files;
using Hutch.Net.Packets;

namespace Hutch.Net.Filters;

/// <summary>Holds frames back that a limit does not let pass yet: the guest's in its ring, the network's in the back end.</summary>
internal sealed class RateQueue : INetQueue, INetBuffers
{
    private readonly RateLimit? _inbound, _outbound;
    private readonly INetBuffers _buffers;
    private readonly INetQueue _inner;
    private bool _holdsInbound, _holdsOutbound;

    /// <summary>Makes one; a limit that is null does not exist. Queues of one card share their limits.</summary>
    internal RateQueue(RateLimit? inbound, RateLimit? outbound, INetBuffers buffers, Func<INetBuffers, INetQueue> open)
    {
        (_inbound, _outbound, _buffers) = (inbound, outbound, buffers);
        _inner = open(this);
    }

    /// <inheritdoc/>
    public bool Transmit(in PacketOffload offload, ReadOnlySpan<IoSegment> frame)
    {
        _holdsOutbound = _outbound is not null && _outbound.WaitMs != 0;
        if (_holdsOutbound || !_inner.Transmit(offload, frame)) return false;
        _outbound?.Charge(FrameSegments.LengthOf(frame));
        return true;
    }

    /// <inheritdoc/>
    public bool Receive(int most)
    {
        _holdsInbound = false;
        return _inner.Receive(most) && !_holdsInbound;
    }

    /// <inheritdoc/>
    public void Wait(EventFd wake, NetWait wanted, int timeoutMs)
    {
        if (_holdsInbound) (wanted, timeoutMs) = (wanted & ~NetWait.Receive, Shorter(timeoutMs, _inbound!.WaitMs));
        if (_holdsOutbound) (wanted, timeoutMs) = (wanted & ~NetWait.Transmit, Shorter(timeoutMs, _outbound!.WaitMs));
        _inner.Wait(wake, wanted, timeoutMs);
    }

    /// <inheritdoc/>
    public bool TryDeliver(in PacketOffload offload, ReadOnlySpan<byte> frame)
    {
        if (_inbound is not null && _inbound.WaitMs != 0)
        {
            _holdsInbound = true;
            return false;
        }
        if (!_buffers.TryDeliver(offload, frame)) return false;
        _inbound?.Charge(frame.Length);
        return true;
    }

    private static int Shorter(int timeoutMs, int other) => timeoutMs < 0 ? other : Math.Min(timeoutMs, other);
}
