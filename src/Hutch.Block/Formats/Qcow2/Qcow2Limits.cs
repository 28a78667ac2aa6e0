namespace Hutch.Block.Formats.Qcow2;

/// <summary>Numbers of the qcow2 format (docs/interop/qcow2) and the limits that keep a hostile image from taking memory.</summary>
internal static class Qcow2Limits
{
    /// <summary>"QFI\xfb", the first four bytes.</summary>
    internal const uint Magic = 0x514649fb;

    /// <summary>Smallest and largest cluster, as powers of two: 512 bytes and 2 MiB.</summary>
    internal const int MinClusterBits = 9, MaxClusterBits = 21;

    /// <summary>Lengths of the header in bytes: of version 2, the least of version 3, and of what is understood here.</summary>
    internal const int HeaderV2Bytes = 72, HeaderV3Bytes = 104, HeaderKnownBytes = 112;

    /// <summary>Largest L1 table and refcount table in bytes.</summary>
    internal const int MaxL1Bytes = 32 << 20, MaxRefcountTableBytes = 8 << 20;

    /// <summary>Largest number of snapshots, the length of a snapshot's fixed part in bytes, and of its extra data.</summary>
    internal const int MaxSnapshots = 65536, SnapshotHeaderBytes = 40, MaxSnapshotExtraBytes = 1024;

    /// <summary>Largest snapshot table in bytes.</summary>
    internal const int MaxSnapshotTableBytes = 64 << 20;

    /// <summary>Largest number of persistent bitmaps and their directory's length in bytes.</summary>
    internal const int MaxBitmaps = 65535, MaxBitmapDirectoryBytes = 64 << 20;

    /// <summary>Largest size of a bitmap's bits in bytes, and number of entries of its table.</summary>
    internal const long MaxBitmapBytes = 0x2000_0000, MaxBitmapTableEntries = 0x800_0000;

    /// <summary>Bytes of the disk for a bit of a bitmap, least and most, as powers of two, and the longest name in bytes.</summary>
    internal const int MinGranularityBits = 9, MaxGranularityBits = 31, MaxBitmapNameBytes = 1023;

    /// <summary>Longest name of a backing file, and of its format, in bytes.</summary>
    internal const int MaxBackingNameBytes = 1023, MaxBackingFormatBytes = 15;

    /// <summary>The least refcount_order that is too large: refcounts have at most 64 bits.</summary>
    internal const int MaxRefcountOrder = 6;

    /// <summary>Subclusters of a cluster with extended L2 entries, and the least length of one in bytes.</summary>
    internal const int SubclustersPerCluster = 32, MinSubclusterBytes = 512;

    /// <summary>Bits of an L1 entry, a standard L2 entry and a refcount table entry that hold an offset.</summary>
    internal const ulong L1OffsetMask = 0x00ff_ffff_ffff_fe00, L2OffsetMask = 0x00ff_ffff_ffff_fe00, RefcountTableOffsetMask = 0xffff_ffff_ffff_fe00;

    /// <summary>Bits of an L1 entry and of an L2 entry that must be clear.</summary>
    internal const ulong L1ReservedMask = 0x7f00_0000_0000_01ff, L2ReservedMask = 0x3f00_0000_0000_01fe;

    /// <summary>Bits of an entry: the cluster has refcount 1, it is compressed, it reads as zeros.</summary>
    internal const ulong CopiedFlag = 1UL << 63, CompressedFlag = 1UL << 62, ZeroFlag = 1;
}
