using System;

namespace Hutch.Block.Formats.Qcow2;

/// <summary>Sizes that follow from a header and never change while the image is open.</summary>
internal sealed class Qcow2Geometry
{
    /// <summary>The part of a table that is cached and written at once, where clusters are not smaller.</summary>
    private const int SliceBits = 12;

    /// <summary>Derives all from a header.</summary>
    internal Qcow2Geometry(Qcow2Header header)
    {
        ClusterBits = header.ClusterBits;
        IsExtended = header.Has(Qcow2Features.ExtendedL2);
        HasZeroClusters = header.Version >= 3;
        RefcountOrder = header.RefcountOrder;
        SubclusterBits = IsExtended ? ClusterBits - 5 : ClusterBits;
        SliceBytes = 1 << Math.Min(ClusterBits, SliceBits);
        L2SliceBits = Math.Min(ClusterBits, SliceBits) - EntryBits;
        RefcountSliceBits = Math.Min(ClusterBits, SliceBits) + 3 - RefcountOrder;
        CompressedOffsetBits = 62 - (ClusterBits - 8);
    }

    /// <summary>Cluster size as a power of two.</summary>
    internal int ClusterBits { get; }

    /// <summary>Cluster size in bytes.</summary>
    internal int ClusterBytes => 1 << ClusterBits;

    /// <summary>L2 entries have 128 bits: clusters have 32 subclusters, each allocated by itself.</summary>
    internal bool IsExtended { get; }

    /// <summary>Clusters can be marked as zeros (version 3).</summary>
    internal bool HasZeroClusters { get; }

    /// <summary>Width of a refcount as a power of two in bits.</summary>
    internal int RefcountOrder { get; }

    /// <summary>Size of a subcluster as a power of two; a cluster's without extended L2 entries.</summary>
    internal int SubclusterBits { get; }

    /// <summary>Subclusters of a cluster: 32, or 1.</summary>
    internal int SubclusterCount => 1 << (ClusterBits - SubclusterBits);

    /// <summary>Length of an L2 entry in bytes as a power of two.</summary>
    internal int EntryBits => IsExtended ? 4 : 3;

    /// <summary>Entries of an L2 table as a power of two.</summary>
    internal int L2Bits => ClusterBits - EntryBits;

    /// <summary>Length of a cached slice of an L2 table or refcount block in bytes.</summary>
    internal int SliceBytes { get; }

    /// <summary>Entries of a slice of an L2 table as a power of two.</summary>
    internal int L2SliceBits { get; }

    /// <summary>Slices of an L2 table or refcount block as a power of two.</summary>
    internal int SlicesPerTableBits => L2Bits - L2SliceBits;

    /// <summary>Refcounts of a slice as a power of two.</summary>
    internal int RefcountSliceBits { get; }

    /// <summary>Refcounts of a refcount block as a power of two.</summary>
    internal int RefcountBlockBits => ClusterBits + 3 - RefcountOrder;

    /// <summary>Bits of a compressed cluster's descriptor that hold its offset; the number of further sectors is above.</summary>
    internal int CompressedOffsetBits { get; }

    /// <summary>Bytes of the disk for an L1 entry, as a power of two.</summary>
    internal int L1SpanBits => ClusterBits + L2Bits;

    /// <summary>Bytes rounded up to whole clusters; in clusters.</summary>
    internal long ClustersFor(long bytes) => (bytes >> ClusterBits) + ((bytes & (ClusterBytes - 1)) == 0 ? 0 : 1);

    /// <summary>Position in a cluster.</summary>
    internal int InCluster(long offset) => (int)(offset & (ClusterBytes - 1));

    /// <summary>Entries that an L1 table has for a disk of this length.</summary>
    internal static long L1EntriesFor(Qcow2Header header, long lengthBytes)
    {
        int span = (2 * header.ClusterBits) - (header.Has(Qcow2Features.ExtendedL2) ? 4 : 3);
        return (lengthBytes >> span) + ((lengthBytes & ((1L << span) - 1)) == 0 ? 0 : 1);
    }
}
