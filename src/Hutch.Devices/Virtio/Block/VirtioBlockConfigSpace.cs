using System;
using System.Buffers.Binary;
using System.Numerics;
using Hutch.Block.Graph;
using static Hutch.Devices.Virtio.Block.VirtioBlockRegisters;

namespace Hutch.Devices.Virtio.Block;

/// <summary>Features and configuration space of a disk, from what its node can do.</summary>
internal sealed class VirtioBlockConfigSpace
{
    /// <summary>Ranges that one discard or write-zeroes request may carry.</summary>
    internal const int MaxRanges = 8;

    // 512 MiB: the work of one request stays bounded where zeroes must be written as data.
    private const uint MaxRangeSectors = 1u << 20;

    private readonly byte[] _bytes = new byte[ConfigBytes];

    internal VirtioBlockConfigSpace(BlockNode node, int queueEntries, int queues, bool discard)
    {
        BlockLimits limits = node.Limits;
        int blockBytes = Math.Max(SectorBytes, limits.RequestAlignmentBytes);
        CapacitySectors = (ulong)node.LengthBytes / SectorBytes;
        Features = FeatureSegmentMax | FeatureBlockSize | FeatureFlush | FeatureTopology;
        if (queues > 1) Features |= FeatureMultiQueue;
        if (limits.IsReadOnly) Features |= FeatureReadOnly;
        else Features |= FeatureWriteZeroes;
        if (discard && limits is { CanDiscard: true, IsReadOnly: false }) Features |= FeatureDiscard;

        // A chain holds the header and the status besides the data.
        Put32(SegmentMax, (uint)queueEntries - 2);
        Put32(BlockSize, (uint)blockBytes);
        // physical_block_exp, alignment_offset, min_io_size, opt_io_size (in logical blocks).
        int physicalBytes = Math.Max(blockBytes, limits.PhysicalBlockBytes);
        _bytes[Topology] = (byte)BitOperations.Log2((uint)(physicalBytes / blockBytes));
        BinaryPrimitives.WriteUInt16LittleEndian(_bytes.AsSpan(Topology + 2), (ushort)(physicalBytes / blockBytes));
        BinaryPrimitives.WriteUInt16LittleEndian(_bytes.AsSpan(QueueCount), (ushort)queues);
        if ((Features & FeatureWriteZeroes) == 0) return;
        Put32(MaxWriteZeroesSectors, MaxRangeSectors);
        Put32(MaxWriteZeroesSegments, MaxRanges);
        if ((Features & FeatureDiscard) == 0) return;
        _bytes[WriteZeroesMayUnmap] = 1;
        Put32(MaxDiscardSectors, MaxRangeSectors);
        Put32(MaxDiscardSegments, MaxRanges);
        Put32(DiscardAlignment, (uint)Math.Max(1, limits.DiscardAlignmentBytes / SectorBytes));
    }

    /// <summary>Feature bits of the device type.</summary>
    internal ulong Features { get; }

    /// <summary>Length of the disk in sectors of 512 bytes. Changes only while the machine is stopped.</summary>
    internal ulong CapacitySectors
    {
        get => BinaryPrimitives.ReadUInt64LittleEndian(_bytes.AsSpan(Capacity));
        set => BinaryPrimitives.WriteUInt64LittleEndian(_bytes.AsSpan(Capacity), value);
    }

    /// <summary>The most sectors of one discard or write-zeroes range.</summary>
    internal static uint MaxRange => MaxRangeSectors;

    /// <summary>Reads; bytes past the end are zero.</summary>
    internal void Read(ulong offset, Span<byte> data) => VirtioDevice.CopyConfig(_bytes, offset, data);

    private void Put32(int offset, uint value) => BinaryPrimitives.WriteUInt32LittleEndian(_bytes.AsSpan(offset), value);
}
