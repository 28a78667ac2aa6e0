using System.Numerics;

namespace Hutch.Block.Formats.Qcow2;

/// <summary>What a subcluster (of a standard L2 entry: the cluster) is.</summary>
internal enum SubclusterKind
{
    /// <summary>Nothing; the backing image shows.</summary>
    Unallocated,

    /// <summary>Nothing, but its cluster has a place; the backing image shows.</summary>
    UnallocatedInPlace,

    /// <summary>Zeros without a place.</summary>
    Zero,

    /// <summary>Zeros; its cluster has a place.</summary>
    ZeroInPlace,

    /// <summary>Data.</summary>
    Data,

    /// <summary>Compressed data of the whole cluster.</summary>
    Compressed,

    /// <summary>A combination of bits that has no meaning.</summary>
    Invalid,
}

/// <summary>An L2 entry (qcow2 §"Cluster mapping").</summary>
/// <param name="Word">Offset and flags, or the descriptor of a compressed cluster.</param>
/// <param name="Bitmap">With extended L2 entries: 32 bits "allocated", and above them 32 bits "reads as zeros".</param>
internal readonly record struct L2Entry(ulong Word, ulong Bitmap)
{
    /// <summary>The data is compressed.</summary>
    internal bool IsCompressed => (Word & Qcow2Limits.CompressedFlag) != 0;

    /// <summary>The cluster's refcount is exactly 1: it can be written in place.</summary>
    internal bool IsCopied => (Word & Qcow2Limits.CopiedFlag) != 0;

    /// <summary>The entry is not compressed and has the zero flag (not used by extended entries).</summary>
    internal bool IsZero => (Word & (Qcow2Limits.CompressedFlag | Qcow2Limits.ZeroFlag)) == Qcow2Limits.ZeroFlag;

    /// <summary>Where the cluster lies; 0 where it has no place (or, in a data file, at its beginning).</summary>
    internal long HostOffset => (long)(Word & Qcow2Limits.L2OffsetMask);

    /// <summary>Subclusters that hold data, a bit for each.</summary>
    internal uint Allocated => (uint)Bitmap;

    /// <summary>Subclusters that read as zeros, a bit for each.</summary>
    internal uint Zeros => (uint)(Bitmap >> 32);

    /// <summary>Whether the cluster has a place of its own. A data file's first cluster lies at 0 and says so by the copied flag.</summary>
    internal bool HasPlace(bool hasDataFile) => !IsCompressed && (HostOffset != 0 || (hasDataFile && IsCopied));

    /// <summary>What a subcluster is, as the bits say; <see cref="L2Tables"/> has checked offsets.</summary>
    internal SubclusterKind KindOf(int subcluster, bool extended, bool hasDataFile)
    {
        if (IsCompressed) return SubclusterKind.Compressed;
        bool inPlace = HasPlace(hasDataFile);
        if (!extended)
        {
            return IsZero ? (inPlace ? SubclusterKind.ZeroInPlace : SubclusterKind.Zero)
                : inPlace ? SubclusterKind.Data : SubclusterKind.Unallocated;
        }
        uint bit = 1u << subcluster;
        bool allocated = (Allocated & bit) != 0;
        if ((Zeros & bit) != 0) return allocated ? SubclusterKind.Invalid : inPlace ? SubclusterKind.ZeroInPlace : SubclusterKind.Zero;
        if (allocated) return inPlace ? SubclusterKind.Data : SubclusterKind.Invalid;
        return inPlace ? SubclusterKind.UnallocatedInPlace : SubclusterKind.Unallocated;
    }

    /// <summary>How many subclusters from <paramref name="subcluster"/> on are of its kind.</summary>
    internal int RunFrom(int subcluster, bool extended, bool hasDataFile, int subclusterCount)
    {
        if (!extended || IsCompressed) return subclusterCount - subcluster;
        SubclusterKind kind = KindOf(subcluster, extended, hasDataFile);
        uint same = kind switch
        {
            SubclusterKind.Data => Allocated & ~Zeros,
            SubclusterKind.Zero or SubclusterKind.ZeroInPlace => Zeros & ~Allocated,
            SubclusterKind.Invalid => 1u << subcluster,
            _ => ~(Allocated | Zeros),
        };
        return int.Min(BitOperations.TrailingZeroCount(~(ulong)(same >> subcluster)), subclusterCount - subcluster);
    }

    /// <summary>The bits of <paramref name="count"/> subclusters.</summary>
    internal static uint Bits(int first, int count) => (uint)(((1UL << count) - 1) << first);

    /// <summary>Splits a compressed cluster's descriptor: where the data lies and how long it is at most, in bytes.</summary>
    internal (long Offset, int LengthBytes) Descriptor(Qcow2Geometry geometry)
    {
        ulong offset = Word & ((1UL << geometry.CompressedOffsetBits) - 1);
        int sectors = (int)((Word & ~(Qcow2Limits.CopiedFlag | Qcow2Limits.CompressedFlag)) >> geometry.CompressedOffsetBits) + 1;
        return ((long)offset, (sectors * 512) - (int)(offset & 511));
    }

    /// <summary>Makes a compressed cluster's entry.</summary>
    internal static L2Entry Compressed(Qcow2Geometry geometry, long offset, int lengthBytes)
    {
        ulong sectors = (ulong)(((offset + lengthBytes - 1) >> 9) - (offset >> 9));
        return new(Qcow2Limits.CompressedFlag | (ulong)offset | (sectors << geometry.CompressedOffsetBits), 0);
    }
}
