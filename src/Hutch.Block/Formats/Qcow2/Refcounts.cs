using System;
using System.Collections.Generic;
using System.Globalization;
using System.Runtime.InteropServices;
using Hutch.Block.Graph;

namespace Hutch.Block.Formats.Qcow2;

/// <summary>
/// The refcount table and the cached refcounts. Steps touch memory only; false says in <see cref="MetadataMiss"/> what must be read first. Under the owner's lock.
/// </summary>
internal sealed class Refcounts(Qcow2Geometry geometry, SliceCache cache, MetadataMiss miss, NewTables newTables)
{
    private readonly ulong _max = RefcountWidth.Max(geometry.RefcountOrder);

    /// <summary>The refcount table: offsets of refcount blocks.</summary>
    internal ulong[] Table { get; set; } = [];

    /// <summary>Where the table lies, or will lie after the next commit.</summary>
    internal long TableOffset { get; set; }

    /// <summary>The table lies in a new place: a commit writes all of it and then the header.</summary>
    internal bool TableMoved { get; set; }

    /// <summary>Entries of the table that a commit must write.</summary>
    internal List<long> DirtyEntries { get; private set; } = [];

    /// <summary>The largest refcount.</summary>
    internal ulong Max => _max;

    /// <summary>Clusters of a block, as a power of two.</summary>
    internal int BlockBits => geometry.RefcountBlockBits;

    /// <summary>Where a cluster's refcount block lies; 0 where there is none, and all its clusters are free.</summary>
    internal long BlockOffset(long block)
    {
        if (block >= Table.Length) return 0;
        ulong offset = Table[block] & Qcow2Limits.RefcountTableOffsetMask;
        if ((offset & (ulong)(geometry.ClusterBytes - 1)) != 0 || offset > long.MaxValue)
            throw new Qcow2CorruptException(string.Create(CultureInfo.InvariantCulture, $"Refblock offset 0x{offset:x} unaligned (reftable index: 0x{block:x})"));
        return (long)offset;
    }

    /// <summary>Where a slice lies in the file; 0 where it does not.</summary>
    internal long SliceOffset(long key)
    {
        int bits = BlockBits - geometry.RefcountSliceBits;
        long block = BlockOffset(key >> bits);
        return block == 0 ? 0 : block + ((key & ((1L << bits) - 1)) * geometry.SliceBytes);
    }

    /// <summary>Finds the slice with a cluster's refcount; null where no block has one.</summary>
    internal bool TrySlice(long cluster, out CachedSlice? slice)
    {
        long key = cluster >> geometry.RefcountSliceBits;
        slice = cache.Find(key);
        if (slice is not null) return true;
        long block = BlockOffset(cluster >> BlockBits);
        if (block == 0) return true;
        if (!newTables.Contains(block)) return miss.Set(MetadataMissKind.RefcountSlice, key);
        slice = cache.Add(key);
        return true;
    }

    /// <summary>Brings the slices of clusters that have blocks into the cache and keeps them there until the next commit: changes to them cannot miss.</summary>
    internal bool TryPin(long first, long count)
    {
        for (long key = first >> geometry.RefcountSliceBits; key <= (first + count - 1) >> geometry.RefcountSliceBits; key++)
        {
            if (!TrySlice(key << geometry.RefcountSliceBits, out CachedSlice? slice)) return false;
            cache.MarkDirty(slice!);
        }
        return true;
    }

    /// <summary>A cluster's refcount.</summary>
    internal bool TryGet(long cluster, out ulong refcount)
    {
        refcount = 0;
        if (!TrySlice(cluster, out CachedSlice? slice)) return false;
        if (slice is not null) refcount = RefcountWidth.Get(slice.Data, IndexOf(cluster), geometry.RefcountOrder);
        return true;
    }

    /// <summary>Sets the refcount of a cluster that has a block.</summary>
    internal bool TrySet(long cluster, ulong refcount)
    {
        if (!TrySlice(cluster, out CachedSlice? slice)) return false;
        RefcountWidth.Set(slice!.Data, IndexOf(cluster), geometry.RefcountOrder, refcount);
        cache.MarkDirty(slice);
        return true;
    }

    /// <summary>
    /// Adds <paramref name="delta"/> to the refcount of a cluster. Throws <see cref="BlockIoException"/> where it would not fit, and
    /// <see cref="Qcow2CorruptException"/> where it would be negative.
    /// </summary>
    internal bool TryChange(long cluster, int delta, out ulong now)
    {
        if (!TryGet(cluster, out now)) return false;
        if (delta < 0 ? now < (ulong)-delta : now > _max - (ulong)delta)
        {
            if (delta > 0) throw new BlockIoException("A cluster's refcount would be larger than the image's refcounts can be.", BlockIoException.Einval);
            throw new Qcow2CorruptException(string.Create(CultureInfo.InvariantCulture, $"Refcount of cluster at offset 0x{cluster << geometry.ClusterBits:x} would be negative"), isFatal: false);
        }
        now = (ulong)((long)now + delta);
        return TrySet(cluster, now);
    }

    /// <summary>
    /// How many clusters from <paramref name="cluster"/> on, at most <paramref name="max"/>, are all free or (if not <paramref name="free"/>) all in use. Where it
    /// returns false, <paramref name="count"/> is how far it came: go on from there, as a long run need not fit into the cache.
    /// </summary>
    internal bool TryCountRun(long cluster, long max, bool free, out long count)
    {
        count = 0;
        while (count < max)
        {
            long at = cluster + count;
            if (BlockOffset(at >> BlockBits) == 0)
            {
                if (!free) return true;
                count = Math.Min(max, (((at >> BlockBits) + 1) << BlockBits) - cluster);
                continue;
            }
            if (!TrySlice(at, out CachedSlice? slice)) return false;
            int index = IndexOf(at), run = RunInSlice(slice!.Data, index, free);
            count = Math.Min(max, count + run);
            if (index + run < 1 << geometry.RefcountSliceBits) return true;
        }
        return true;
    }

    /// <summary>Notes that an entry of the table changed.</summary>
    internal void SetBlock(long block, long offset)
    {
        Table[block] = (ulong)offset;
        if (!TableMoved) DirtyEntries.Add(block);
    }

    /// <summary>Hands the changed entries to a commit.</summary>
    internal List<long> TakeDirtyEntries()
    {
        List<long> taken = DirtyEntries;
        DirtyEntries = [];
        return taken;
    }

    private int IndexOf(long cluster) => (int)(cluster & ((1L << geometry.RefcountSliceBits) - 1));

    private int RunInSlice(byte[] data, int index, bool free)
    {
        switch (geometry.RefcountOrder)
        {
            case 3: return Run(data.AsSpan(index), free);
            case 4: return Run(MemoryMarshal.Cast<byte, ushort>(data.AsSpan())[index..], free);
            case 5: return Run(MemoryMarshal.Cast<byte, uint>(data.AsSpan())[index..], free);
            case 6: return Run(MemoryMarshal.Cast<byte, ulong>(data.AsSpan())[index..], free);
        }
        int end = 1 << geometry.RefcountSliceBits, at = index;
        while (at < end && RefcountWidth.Get(data, at, geometry.RefcountOrder) == 0 == free) at++;
        return at - index;
    }

    // Zero is zero in either byte order.
    private static int Run<T>(Span<T> counts, bool free) where T : unmanaged, IEquatable<T>
    {
        int end = free ? counts.IndexOfAnyExcept(default(T)) : counts.IndexOf(default(T));
        return end < 0 ? counts.Length : end;
    }
}
