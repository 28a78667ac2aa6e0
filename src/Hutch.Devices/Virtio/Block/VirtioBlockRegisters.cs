namespace Hutch.Devices.Virtio.Block;

/// <summary>Numbers of the block device (virtio 1.2 §5.2).</summary>
internal static class VirtioBlockRegisters
{
    internal const ushort DeviceType = 2;
    internal const int SectorBytes = 512;

    // Feature bits (§5.2.3).
    internal const ulong FeatureSizeMax = 1UL << 1, FeatureSegmentMax = 1UL << 2, FeatureReadOnly = 1UL << 5, FeatureBlockSize = 1UL << 6, FeatureFlush = 1UL << 9;
    internal const ulong FeatureTopology = 1UL << 10, FeatureMultiQueue = 1UL << 12, FeatureDiscard = 1UL << 13, FeatureWriteZeroes = 1UL << 14;

    // Request types (§5.2.6).
    internal const uint TypeIn = 0, TypeOut = 1, TypeFlush = 4, TypeGetId = 8, TypeDiscard = 11, TypeWriteZeroes = 13;
    internal const byte StatusOk = 0, StatusIoError = 1, StatusUnsupported = 2;
    internal const int HeaderBytes = 16, IdBytes = 20, RangeBytes = 16;
    internal const uint RangeUnmap = 1;

    // Configuration space (§5.2.4).
    internal const int ConfigBytes = 60, Capacity = 0, SizeMax = 8, SegmentMax = 12, BlockSize = 20, Topology = 24, QueueCount = 34;
    internal const int MaxDiscardSectors = 36, MaxDiscardSegments = 40, DiscardAlignment = 44;
    internal const int MaxWriteZeroesSectors = 48, MaxWriteZeroesSegments = 52, WriteZeroesMayUnmap = 56;
}
