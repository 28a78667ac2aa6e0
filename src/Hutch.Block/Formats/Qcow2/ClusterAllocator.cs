using System;
using Hutch.Block.Graph;

namespace Hutch.Block.Formats.Qcow2;

/// <summary>Host clusters that were taken.</summary>
/// <param name="First">First cluster.</param>
/// <param name="IsFresh">The file reads as zeros there, because they were never used.</param>
internal readonly record struct Allocation(long First, bool IsFresh);

/// <summary>
/// Takes host clusters: the first free run behind <see cref="FreeIndex"/>, which goes back when clusters become free, as QEMU does, so that images have
/// the same layout. Refcount blocks describe themselves; a refcount table that is full is replaced by a longer one that lies, with the blocks for its own area,
/// behind everything the old one could describe. Under the owner's lock; false as in <see cref="Refcounts"/>.
/// </summary>
internal sealed class ClusterAllocator(Qcow2Geometry geometry, Refcounts refcounts, MetadataMiss miss, NewTables newTables, PendingFrees frees, OverlapMap overlaps)
{
    // A commit for less would cost more than a file that grows.
    private const long ReuseBytes = 16 << 20;

    private long _byteOffset;

    /// <summary>No cluster before this one is free.</summary>
    internal long FreeIndex { get; set; }

    /// <summary>Clusters from here on were never used: the file ends before.</summary>
    internal long FreshFrom { get; set; }

    /// <summary>Takes <paramref name="count"/> clusters in a row. Throws <see cref="BlockIoException"/> (EFBIG) where offsets do not reach further.</summary>
    internal bool TryAllocate(long count, out Allocation allocation)
    {
        allocation = default;
        while (true)
        {
            if (!TryFindFree(count, out long first)) return false;
            // Space that was given up is used again before the file grows.
            if (first + count > FreshFrom && frees.Clusters >= Math.Max(count, ReuseBytes >> geometry.ClusterBits))
            {
                _ = Again(first);
                return miss.Set(MetadataMissKind.Reclaim, 0);
            }
            if (FirstWithoutBlock(first, count) is { } block)
            {
                bool added = TryAddBlock(block);
                FreeIndex = Math.Min(FreeIndex, first);
                if (!added) return false;
                continue;
            }
            if (!refcounts.TryPin(first, count)) return Again(first);
            for (long at = first; at < first + count; at++) _ = refcounts.TrySet(at, 1);
            FreeIndex = first + count;
            allocation = new(first, Use(first, count));
            return true;
        }
    }

    /// <summary>
    /// Takes room for compressed data, in the same cluster as the last where it fits, and counts a reference to each cluster it touches.
    /// </summary>
    internal bool TryAllocateBytes(int lengthBytes, out long offset)
    {
        offset = _byteOffset;
        if (offset != 0)
        {
            if (!refcounts.TryGet(offset >> geometry.ClusterBits, out ulong refcount)) return false;
            if (refcount == 0 || refcount == refcounts.Max) offset = 0;
        }
        int room = geometry.ClusterBytes - geometry.InCluster(offset);
        if (offset == 0 || room < lengthBytes)
        {
            if (!TryAllocate(1, out Allocation next)) return false;
            long start = next.First << geometry.ClusterBits;
            // The data may go on in the new cluster where that is the next one.
            if (offset == 0 || offset + room != start || !refcounts.TryChange(offset >> geometry.ClusterBits, 1, out _)) offset = start;
        }
        else if (!refcounts.TryChange(offset >> geometry.ClusterBits, 1, out _))
        {
            return false;
        }
        if (offset + lengthBytes > 1L << Math.Min(62, geometry.CompressedOffsetBits)) throw TooFar();
        _byteOffset = geometry.InCluster(offset + lengthBytes) == 0 ? 0 : offset + lengthBytes;
        return true;
    }

    /// <summary>A cluster is about to become free: nothing more is put behind compressed data in it.</summary>
    internal void ForgetBytesIn(long cluster)
    {
        if (_byteOffset >> geometry.ClusterBits == cluster) _byteOffset = 0;
    }

    /// <summary>A cluster is free.</summary>
    internal void NoteFree(long cluster)
    {
        FreeIndex = Math.Min(FreeIndex, cluster);
        if (overlaps.Is(cluster, OverlapKind.InactiveL2)) overlaps.Remove(cluster, 1);
    }

    private bool TryFindFree(long count, out long first)
    {
        first = FreeIndex;
        while (true)
        {
            if (first > (long)(Qcow2Limits.L2OffsetMask >> geometry.ClusterBits) - count) throw TooFar();
            if (!refcounts.TryCountRun(first, count, free: true, out long free)) return Again(first);
            if (free == count) break;
            first += free;
            bool found = refcounts.TryCountRun(first, long.MaxValue >> 20, free: false, out long used);
            first += used;
            FreeIndex = first;
            if (!found) return false;
        }
        FreeIndex = first + count;
        return true;
    }

    private long? FirstWithoutBlock(long first, long count)
    {
        for (long block = first >> refcounts.BlockBits; block <= (first + count - 1) >> refcounts.BlockBits; block++)
            if (refcounts.BlockOffset(block) == 0) return block;
        return null;
    }

    private bool TryAddBlock(long block)
    {
        if (block >= refcounts.Table.Length) return TryGrowTable(block);
        if (!TryFindFree(1, out long at)) return false;
        long owner = at >> refcounts.BlockBits;
        if (owner != block && refcounts.BlockOffset(owner) == 0)
        {
            // The cluster found has no block either: that one comes first, and describes itself.
            FreeIndex = at;
            return TryAddBlock(owner) && TryAddBlock(block);
        }
        if (owner != block && !refcounts.TrySlice(at, out _)) return Again(at);
        if (at == 0) throw new Qcow2CorruptException("Preventing invalid allocation of refcount block at offset 0");
        AddBlock(block, at);
        _ = refcounts.TrySet(at, 1);
        return true;
    }

    private void AddBlock(long block, long cluster)
    {
        long offset = cluster << geometry.ClusterBits;
        CheckPlace(offset, "refcount block");
        refcounts.SetBlock(block, offset);
        newTables.Add(offset, needsZeroing: !Use(cluster, 1));
        overlaps.Add(cluster, 1, OverlapKind.RefcountBlock);
    }

    // Replaces the table. All of the new area is behind what the old table could describe, so none of it is in use.
    private bool TryGrowTable(long block)
    {
        int entriesPerCluster = geometry.ClusterBytes / 8;
        long firstBlock = Math.Max(block, refcounts.Table.Length), area = firstBlock << refcounts.BlockBits;
        long blocks = 1, tableClusters;
        while (true)
        {
            long entries = (firstBlock + blocks) * 3 / 2;
            tableClusters = (entries + entriesPerCluster - 1) / entriesPerCluster;
            long most = Qcow2Limits.MaxRefcountTableBytes >> geometry.ClusterBits;
            if (tableClusters > most) tableClusters = most;
            if (firstBlock + blocks > tableClusters * entriesPerCluster) throw TooFar();
            long needed = (blocks + tableClusters + (1L << refcounts.BlockBits) - 1) >> refcounts.BlockBits;
            if (needed <= blocks) break;
            blocks = needed;
        }
        ulong[] table = new ulong[tableClusters * entriesPerCluster];
        refcounts.Table.CopyTo(table, 0);
        long oldClusters = refcounts.Table.Length / entriesPerCluster, oldFirst = refcounts.TableOffset >> geometry.ClusterBits;
        refcounts.Table = table;
        refcounts.TableMoved = true;
        refcounts.TableOffset = (area + blocks) << geometry.ClusterBits;
        for (long i = 0; i < blocks; i++) AddBlock(firstBlock + i, area + i);
        for (long i = 0; i < blocks + tableClusters; i++)
            _ = refcounts.TrySet(area + i, 1);
        _ = Use(area, blocks + tableClusters);
        overlaps.Remove(oldFirst, oldClusters);
        overlaps.Add(area + blocks, tableClusters, OverlapKind.RefcountTable);
        frees.Add(oldFirst, oldClusters, FreeReason.Replaced);
        return true;
    }

    /// <summary>Refuses to put metadata where other metadata lies, which only happens where refcounts are wrong.</summary>
    internal void CheckPlace(long offset, string what)
    {
        if (offset == 0) throw new Qcow2CorruptException($"Preventing invalid allocation of {what} at offset 0");
        overlaps.Check(offset, geometry.ClusterBytes);
    }

    // Whether the clusters were never used before; from now on they are.
    private bool Use(long first, long count)
    {
        bool fresh = first >= FreshFrom;
        FreshFrom = Math.Max(FreshFrom, first + count);
        return fresh;
    }

    private bool Again(long first)
    {
        FreeIndex = Math.Min(FreeIndex, first);
        return false;
    }

    private static BlockIoException TooFar() => new("The image cannot grow further: its offsets or its refcount table would be too large.", BlockIoException.Efbig);
}
