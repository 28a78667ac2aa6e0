using System;
using System.Buffers.Binary;
using Hutch.Core.Memory;
using Hutch.Devices.Virtio.Block;
using Hutch.Devices.Virtio.Queue;
using static Hutch.Devices.Virtio.Block.VirtioBlockRegisters;

namespace Hutch.Devices.Virtio.VhostUser;

/// <summary>A block device (virtio 1.2 §5.2) whose disk another program has. It says how large the disk is and what it can do.</summary>
internal sealed class VhostUserBlock : VhostUserDevice
{
    /// <summary>Entries of its queue, and pages for requests: more than the largest that a driver can make needs.</summary>
    internal const int QueueEntries = 128, RequestPages = 2048;

    /// <summary>Features that are the back end's to have.</summary>
    internal const ulong BackendFeatures = FeatureReadOnly | FeatureBlockSize | FeatureFlush | FeatureTopology | FeatureDiscard | FeatureWriteZeroes;

    private const uint MostSegmentBytes = 32 << 10, MostSegments = QueueEntries - 2;

    private readonly byte[] _config;

    /// <summary>Makes the device and owns <paramref name="backend"/>.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="memory">Guest memory.</param>
    /// <param name="platform">Hears of the back end's end.</param>
    /// <param name="backend">The back end.</param>
    /// <param name="config">Its configuration space, as the back end has it.</param>
    internal VhostUserBlock(string name, GuestMemory memory, IPlatformEvents platform, VhostUserBackend backend, byte[] config)
        : base(name, VirtioBlockRegisters.DeviceType, memory, platform, backend, QueueEntries)
    {
        _config = config;
        // A request has a largest size, because it is copied (§5.2.4).
        BinaryPrimitives.WriteUInt32LittleEndian(_config.AsSpan(SizeMax), MostSegmentBytes);
        uint segments = BinaryPrimitives.ReadUInt32LittleEndian(_config.AsSpan(SegmentMax));
        if (segments is 0 or > MostSegments) BinaryPrimitives.WriteUInt32LittleEndian(_config.AsSpan(SegmentMax), MostSegments);
    }

    /// <inheritdoc/>
    internal override uint PciClass => 0x010000;

    /// <inheritdoc/>
    internal override ulong DeviceFeatures => FeatureSizeMax | FeatureSegmentMax | (Backend.Features & BackendFeatures);

    /// <inheritdoc/>
    internal override void ReadConfig(ulong offset, Span<byte> data) => CopyConfig(_config, offset, data);

    /// <inheritdoc/>
    internal override uint Refuse(DescriptorChain chain)
    {
        // The status is the last byte (§5.2.6); what is before it is not written.
        _ = chain.TryWrite(chain.WritableBytes - 1, [StatusIoError]);
        return chain.WritableBytes == 1 ? 1u : 0;
    }

    /// <inheritdoc/>
    // The status is there also where fewer bytes of data were read than asked for.
    internal override uint CopiedBytes(DescriptorChain chain, uint writtenBytes) => (uint)chain.WritableBytes;

    /// <inheritdoc/>
    // A driver that does not use the flush feature believes that what is written is on the disk (§5.2.6.2).
    private protected override void OnActivate() => Backend.Use(Features & BackendFeatures);
}
