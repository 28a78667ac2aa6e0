using System;
using System.Buffers.Binary;
using Hutch.Devices.Virtio.Queue;
using Hutch.Net;
using static Hutch.Devices.Virtio.Net.VirtioNetRegisters;

namespace Hutch.Devices.Virtio.Net;

/// <summary>
/// A receive queue as back ends see it: frames are copied into the driver's buffers, each into one chain, or with mergeable buffers into as many as it takes
/// (virtio 1.2 §5.1.6.4). Used by the pair's worker.
/// </summary>
internal sealed class ReceiveBuffers : INetBuffers
{
    private readonly VirtioNet _card;
    private readonly VirtQueue _queue;
    private readonly DescriptorChain _first, _next;

    internal ReceiveBuffers(VirtioNet card, VirtQueue queue)
    {
        _card = card;
        _queue = queue;
        _first = new DescriptorChain(queue.MaxSize);
        _next = new DescriptorChain(queue.MaxSize);
    }

    /// <summary>A frame found no buffers since this was last set to false.</summary>
    internal bool IsStarved { get; set; }

    /// <inheritdoc/>
    public bool TryDeliver(in PacketOffload offload, ReadOnlySpan<byte> frame)
    {
        if (frame.Length is < PacketOffload.ShortestFrame or > PacketOffload.LongestFrame || !_card.Wants(frame)) return true;
        QueueStatus status = _queue.TryPop(_first);
        if (status != QueueStatus.Popped) return Refuse(status, taken: 0);
        // The header lies in the first buffer as a whole (§5.1.6.4.1).
        if (_first.WritableBytes < HeaderBytes) return Break();
        bool mergeable = (_card.DriverFeatures & FeatureMergeable) != 0;
        int room = (int)Math.Min(_first.WritableBytes - HeaderBytes, frame.Length);
        if (room < frame.Length && !mergeable)
        {
            // Longer than the driver said that frames can be.
            _queue.UndoPop();
            return true;
        }
        _ = _first.TryWrite(HeaderBytes, frame[..room]);
        _queue.StageUsed(0, _first.Head, (uint)(HeaderBytes + room));
        int chains = 1;
        for (int done = room; done < frame.Length; chains++)
        {
            if (chains == _queue.Size)
            {
                // Buffers so small that all of them together do not hold it: it can never be had.
                _queue.UndoPop(chains);
                return true;
            }
            status = _queue.TryPop(_next);
            if (status != QueueStatus.Popped) return Refuse(status, chains);
            if (_next.WritableBytes == 0) return Break();
            int part = (int)Math.Min(_next.WritableBytes, frame.Length - done);
            _ = _next.TryWrite(0, frame.Slice(done, part));
            _queue.StageUsed(chains, _next.Head, (uint)part);
            done += part;
        }
        WriteHeader(offload, chains);
        _queue.CommitUsed(chains);
        return true;
    }

    private void WriteHeader(in PacketOffload offload, int chains)
    {
        Span<byte> header = stackalloc byte[HeaderBytes];
        // A driver that verifies itself is told nothing (§5.1.6.4.1).
        if ((_card.DriverFeatures & FeatureGuestChecksum) != 0) offload.Write(header);
        else header.Clear();
        BinaryPrimitives.WriteUInt16LittleEndian(header[BufferCount..], (ushort)chains);
        _ = _first.TryWrite(0, header);
    }

    private bool Refuse(QueueStatus status, int taken)
    {
        if (status == QueueStatus.Broken)
        {
            _card.Transport.NeedsReset();
            return true;
        }
        _queue.UndoPop(taken);
        IsStarved = true;
        return false;
    }

    private bool Break()
    {
        _card.Transport.NeedsReset();
        return true;
    }
}
