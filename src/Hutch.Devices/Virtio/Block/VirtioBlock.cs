using System;
using System.Buffers.Binary;
using System.Text;
using System.Threading.Tasks;
using Hutch.Block.Graph;
using Hutch.Core.Memory;
using Hutch.Core.State;
using Hutch.Devices.Virtio.Queue;
using Hutch.Host.Files;
using static Hutch.Devices.Virtio.Block.VirtioBlockRegisters;

namespace Hutch.Devices.Virtio.Block;

/// <summary>
/// The block device (virtio 1.2 §5.2). Its worker carries the requests out one after the other; data moves between guest RAM and the node
/// without a copy in between.
/// </summary>
internal sealed class VirtioBlock : VirtioDevice
{
    private const int QueueEntries = 256;

    // Completions that gather before the driver is told, so that one wake-up serves several.
    private const int BatchSize = 16;

    private readonly BlockNode _node;
    private readonly VirtioBlockConfigSpace _config;
    private readonly IoSegment[] _segments;
    private readonly byte[] _id = new byte[IdBytes];
    private readonly byte[] _ranges = new byte[VirtioBlockConfigSpace.MaxRanges * RangeBytes];

    /// <summary>Makes the device and owns <paramref name="node"/>.</summary>
    internal VirtioBlock(string name, GuestMemory memory, BlockNode node) : base(name, VirtioBlockRegisters.DeviceType, memory, QueueEntries)
    {
        _node = node;
        _config = new VirtioBlockConfigSpace(node, QueueEntries);
        _segments = new IoSegment[Chain.MaxSegments];
        // The id is zero padded, not terminated (§5.2.6).
        _ = Encoding.ASCII.GetBytes(name.AsSpan(0, Math.Min(name.Length, IdBytes)), _id);
    }

    /// <inheritdoc/>
    internal override uint PciClass => 0x010000;

    /// <inheritdoc/>
    internal override ulong DeviceFeatures => _config.Features;

    /// <inheritdoc/>
    internal override void ReadConfig(ulong offset, Span<byte> data) => _config.Read(offset, data);

    /// <inheritdoc/>
    private protected override void ServeQueues()
    {
        VirtQueue queue = Queues[0];
        do
        {
            queue.DisableNotifications();
            int batch = 0;
            while (!ShouldYield && TryPop(queue))
            {
                if (!TryServe(queue)) return;
                if (++batch % BatchSize == 0) InterruptIfWanted(0);
            }
            InterruptIfWanted(0);
        }
        while (!ShouldYield && queue.EnableNotifications());
    }

    /// <inheritdoc/>
    private protected override void ExchangeOwn(StateFields fields)
    {
        ulong sectors = _config.CapacitySectors;
        try
        {
            // What the guest believes to be on the disk must be there before the state that believes it.
            if (!fields.IsRestoring) Finish(_node.FlushAsync(default));
        }
        catch (BlockIoException refused)
        {
            throw new StateException($"The disk {Name} cannot be flushed: {refused.Message}", refused);
        }
        fields.Value("sectors", ref sectors);
        if (sectors != _config.CapacitySectors)
            throw new StateException($"The disk {Name} had {sectors} sectors when the state was saved and has {_config.CapacitySectors} now; restore with the image of that time.");
    }

    /// <inheritdoc/>
    private protected override void DisposeBackend()
    {
        try
        {
            Finish(_node.FlushAsync(default));
        }
        catch (BlockIoException)
        {
            // The guest was never told that these writes are durable, and nobody is left to tell.
        }
        Finish(_node.DisposeAsync());
    }

    // False when the chain is no request: without a whole header or a status byte there is nothing to answer.
    private bool TryServe(VirtQueue queue)
    {
        Span<byte> header = stackalloc byte[HeaderBytes];
        if (Chain.WritableBytes < 1 || !Chain.TryRead(0, header))
        {
            Transport.NeedsReset();
            return false;
        }
        uint type = BinaryPrimitives.ReadUInt32LittleEndian(header);
        ulong sector = BinaryPrimitives.ReadUInt64LittleEndian(header[8..]);
        long statusOffset = Chain.WritableBytes - 1;
        long written = 0;
        byte status;
        try
        {
            status = Execute(type, sector, statusOffset, ref written);
        }
        catch (BlockIoException)
        {
            // The wall of the worker: what the storage refused becomes the guest's I/O error.
            status = StatusIoError;
        }
        _ = Chain.TryWrite(statusOffset, [status]);
        // The length counts bytes written from the first one on (§2.7.8.2): after a failure there may be a hole before the status.
        queue.PushUsed(Chain.Head, written == statusOffset ? (uint)(statusOffset + 1) : (uint)written);
        return true;
    }

    private byte Execute(uint type, ulong sector, long room, ref long written)
    {
        switch (type)
        {
            case TypeIn:
                return Read(sector, room, ref written);
            case TypeOut:
                return Write(sector);
            case TypeFlush:
                // Earlier completions must not wait for a slow device.
                InterruptIfWanted(0);
                Finish(_node.FlushAsync(default));
                return StatusOk;
            case TypeGetId:
                int length = (int)Math.Min(room, IdBytes);
                _ = Chain.TryWrite(0, _id.AsSpan(0, length));
                written = length;
                return StatusOk;
            case TypeDiscard when (_config.Features & FeatureDiscard) != 0:
            case TypeWriteZeroes when (_config.Features & FeatureWriteZeroes) != 0:
                return ServeRanges(type == TypeDiscard);
            default:
                return StatusUnsupported;
        }
    }

    private byte Read(ulong sector, long length, ref long written)
    {
        if (!IsOnDisk(sector, length)) return StatusIoError;
        int count = Chain.Slice(writable: true, 0, length, _segments);
        Finish(_node.ReadAsync((long)sector * SectorBytes, new IoVector(_segments.AsMemory(0, count)), default));
        Chain.MarkWritten(0, length);
        written = length;
        return StatusOk;
    }

    private byte Write(ulong sector)
    {
        long length = Chain.ReadableBytes - HeaderBytes;
        if (!IsOnDisk(sector, length) || _node.Limits.IsReadOnly) return StatusIoError;
        int count = Chain.Slice(writable: false, HeaderBytes, length, _segments);
        Finish(_node.WriteAsync((long)sector * SectorBytes, new IoVector(_segments.AsMemory(0, count)), WriteThrough, default));
        return StatusOk;
    }

    private byte ServeRanges(bool discard)
    {
        long length = Chain.ReadableBytes - HeaderBytes;
        if (length <= 0 || length % RangeBytes != 0 || length > _ranges.Length) return StatusUnsupported;
        Span<byte> ranges = _ranges.AsSpan(0, (int)length);
        _ = Chain.TryRead(HeaderBytes, ranges);
        InterruptIfWanted(0);
        for (; ranges.Length != 0; ranges = ranges[RangeBytes..])
        {
            ulong sector = BinaryPrimitives.ReadUInt64LittleEndian(ranges);
            uint sectors = BinaryPrimitives.ReadUInt32LittleEndian(ranges[8..]);
            uint flags = BinaryPrimitives.ReadUInt32LittleEndian(ranges[12..]);
            // Reserved flags, and unmap in a discard, are refused (§5.2.6.2).
            if ((flags & ~RangeUnmap) != 0 || (discard && flags != 0)) return StatusUnsupported;
            long bytes = (long)sectors * SectorBytes;
            if (sectors > VirtioBlockConfigSpace.MaxRange || !IsOnDisk(sector, bytes)) return StatusIoError;
            if (discard) Finish(_node.DiscardAsync((long)sector * SectorBytes, bytes, default));
            else
                Finish(_node.WriteZeroesAsync((long)sector * SectorBytes, bytes,
                    WriteThrough | ((flags & RangeUnmap) != 0 ? WriteFlags.MayUnmap : WriteFlags.None), default));
        }
        return StatusOk;
    }

    // A driver that did not take the flush feature believes that a completed write is on the disk (§5.2.6.2).
    private WriteFlags WriteThrough => (Features & FeatureFlush) == 0 ? WriteFlags.Durable : WriteFlags.None;

    private bool IsOnDisk(ulong sector, long lengthBytes)
    {
        ulong sectors = (ulong)lengthBytes / SectorBytes;
        return lengthBytes >= 0 && lengthBytes % SectorBytes == 0 && sectors <= _config.CapacitySectors
            && sector <= _config.CapacitySectors - sectors
            && ((long)sector * SectorBytes) % _node.Limits.RequestAlignmentBytes == 0 && lengthBytes % _node.Limits.RequestAlignmentBytes == 0;
    }

    // The worker is the device's own thread: where a node completes later, it waits.
    private static void Finish(ValueTask task)
    {
        if (task.IsCompleted) task.GetAwaiter().GetResult();
        else task.AsTask().GetAwaiter().GetResult();
    }
}
