using System;
using Hutch.Devices.Virtio.Queue;
using Hutch.Host.Files;
using Hutch.Net;
using static Hutch.Devices.Virtio.Net.VirtioNetRegisters;

namespace Hutch.Devices.Virtio.Net;

/// <summary>A receive and a transmit queue with the back end's queue behind them. Served by one worker, which also sleeps in the back end.</summary>
internal sealed class NetQueuePair
{
    // One direction goes on for so many frames before the other has its turn, and the driver hears of them at once.
    private const int BatchSize = 64;

    private readonly VirtioNet _card;
    private readonly QueueWorker _worker;
    private readonly int _receive, _transmit;
    private readonly VirtQueue _received, _sent;
    private readonly ReceiveBuffers _buffers;
    private readonly INetQueue _backend;
    private readonly DescriptorChain _chain;
    private readonly IoSegment[] _segments;
    private bool _isBlocked;

    internal NetQueuePair(VirtioNet card, INetBackend backend, QueueWorker worker, int number)
    {
        (_card, _worker) = (card, worker);
        (_receive, _transmit) = (2 * number, (2 * number) + 1);
        (_received, _sent) = (card.Queues[_receive], card.Queues[_transmit]);
        _buffers = new ReceiveBuffers(card, _received);
        _chain = new DescriptorChain(_sent.MaxSize);
        _segments = new IoSegment[_sent.MaxSize];
        _backend = backend.OpenQueue(number, _buffers);
    }

    /// <summary>Serves both queues until neither has work. On the worker.</summary>
    internal void Serve()
    {
        do
        {
            _sent.DisableNotifications();
            while (ServeOnce() && !_worker.ShouldYield)
            {
                // The back end has its turn too while the guest has no end.
                _backend.Wait(_worker.Doorbell, Wanted, timeoutMs: 0);
            }
        }
        while (!_worker.ShouldYield && EnableNotifications());
    }

    /// <summary>Sleeps until the driver or the back end has work. On the worker.</summary>
    internal void Wait() => _backend.Wait(_worker.Doorbell, Wanted, timeoutMs: -1);

    /// <summary>The driver was reset. The worker is quiet.</summary>
    internal void Reset() => _isBlocked = _buffers.IsStarved = false;

    private NetWait Wanted => (_buffers.IsStarved ? NetWait.None : NetWait.Receive) | (_isBlocked ? NetWait.Transmit : NetWait.None);

    // True: there may be more at once.
    private bool ServeOnce()
    {
        bool more = _backend.Receive(BatchSize) && !_buffers.IsStarved;
        more |= Transmit();
        // What was sent may have been answered at once.
        Interrupt(_receive);
        Interrupt(_transmit);
        return more;
    }

    private bool EnableNotifications()
    {
        bool again = !_isBlocked && _sent.EnableNotifications();
        if (_buffers.IsStarved && _received.EnableNotifications())
        {
            _buffers.IsStarved = false;
            again = true;
        }
        return again;
    }

    private bool Transmit()
    {
        int count = 0;
        _isBlocked = false;
        while (count < BatchSize && !_worker.ShouldYield)
        {
            QueueStatus status = _sent.TryPop(_chain);
            if (status == QueueStatus.Broken) _card.Transport.NeedsReset();
            if (status != QueueStatus.Popped) break;
            if (!Send())
            {
                _sent.UndoPop();
                _isBlocked = true;
                break;
            }
            _sent.StageUsed(count++, _chain.Head, 0);
        }
        _sent.CommitUsed(count);
        return count == BatchSize;
    }

    // False: the back end takes nothing now. A chain that is no frame is dropped like one that a wire loses.
    private bool Send()
    {
        Span<byte> bytes = stackalloc byte[HeaderBytes];
        if (!_card.IsLinkUp || !_chain.TryRead(0, bytes)) return true;
        PacketOffload offload = PacketOffload.Read(bytes);
        long length = _chain.ReadableBytes - HeaderBytes;
        if (!offload.IsSound(length, _card.UsedOffloads)) return true;
        int segments = _chain.Slice(writable: false, HeaderBytes, length, _segments);
        return _backend.Transmit(offload, _segments.AsSpan(0, segments));
    }

    private void Interrupt(int queue)
    {
        if (_card.Queues[queue].ShouldInterrupt()) _card.Transport.InterruptQueue(queue);
    }
}
