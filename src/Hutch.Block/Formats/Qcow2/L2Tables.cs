using System;
using System.Buffers.Binary;
using System.Collections.Generic;
using System.Globalization;

namespace Hutch.Block.Formats.Qcow2;

/// <summary>A run of the disk that one kind of mapping covers.</summary>
/// <param name="Kind">What it is.</param>
/// <param name="HostOffset">Where its first byte lies, where it has a place.</param>
/// <param name="LengthBytes">Its length in bytes.</param>
/// <param name="IsCopied">All its clusters can be written in place.</param>
/// <param name="Entry">The first cluster's entry.</param>
internal readonly record struct GuestRun(SubclusterKind Kind, long HostOffset, long LengthBytes, bool IsCopied, L2Entry Entry);

/// <summary>
/// The active L1 table and the cached slices of its L2 tables. Slices are known by their place on the disk, not in the file, so that a table that is copied takes
/// them along. Under the owner's lock; false as in <see cref="Refcounts"/>.
/// </summary>
internal sealed class L2Tables(Qcow2Geometry geometry, bool hasDataFile, SliceCache cache, MetadataMiss miss, NewTables newTables, ClusterAllocator allocator, PendingFrees frees, OverlapMap overlaps)
{
    private readonly HashSet<long> _dirtyL1 = [];

    /// <summary>The active L1 table.</summary>
    internal ulong[] L1 { get; set; } = [];

    /// <summary>Where the L1 table lies.</summary>
    internal long L1Offset { get; set; }

    /// <summary>Entries of the L1 table that a commit must write.</summary>
    internal IReadOnlyCollection<long> DirtyL1 => _dirtyL1;

    /// <summary>Where an L2 table lies; 0 where there is none.</summary>
    internal long TableOffset(long l1Index)
    {
        if (l1Index >= L1.Length) return 0;
        long offset = (long)(L1[l1Index] & Qcow2Limits.L1OffsetMask);
        if (geometry.InCluster(offset) != 0)
            throw new Qcow2CorruptException(string.Create(CultureInfo.InvariantCulture, $"L2 table offset 0x{offset:x} unaligned (L1 index: 0x{l1Index:x})"));
        return offset;
    }

    /// <summary>Where a slice lies in the file; 0 where it does not.</summary>
    internal long SliceOffset(long key)
    {
        long table = TableOffset(key >> geometry.SlicesPerTableBits);
        return table == 0 ? 0 : table + ((key & ((1L << geometry.SlicesPerTableBits) - 1)) * geometry.SliceBytes);
    }

    /// <summary>Finds the slice with a guest offset's entry; null where there is no table.</summary>
    internal bool TrySlice(long guest, out CachedSlice? slice)
    {
        long key = KeyOf(guest);
        slice = cache.Find(key);
        if (slice is not null) return true;
        long table = TableOffset(key >> geometry.SlicesPerTableBits);
        if (table == 0) return true;
        if (!newTables.Contains(table)) return miss.Set(MetadataMissKind.L2Slice, key);
        slice = cache.Add(key);
        return true;
    }

    /// <summary>Finds the slice with a guest offset's entry in a table that may be changed: makes the table, or copies it from snapshots, where it must.</summary>
    internal bool TryPrepare(long guest, out CachedSlice? slice)
    {
        long l1Index = guest >> geometry.L1SpanBits, old = TableOffset(l1Index);
        if (old != 0 && (L1[l1Index] & Qcow2Limits.CopiedFlag) != 0) return TrySlice(guest, out slice);
        slice = null;
        long firstKey = l1Index << geometry.SlicesPerTableBits;
        int slices = 1 << geometry.SlicesPerTableBits;
        for (int i = 0; old != 0 && i < slices; i++)
            if (!TrySlice((firstKey + i) << (geometry.L2SliceBits + geometry.ClusterBits), out _)) return false;
        if (!allocator.TryAllocate(1, out Allocation table)) return false;
        long offset = table.First << geometry.ClusterBits;
        allocator.CheckPlace(offset, "L2 table");
        overlaps.Add(table.First, 1, OverlapKind.ActiveL2);
        newTables.Add(offset, needsZeroing: old == 0 && !table.IsFresh);
        L1[l1Index] = (ulong)offset | Qcow2Limits.CopiedFlag;
        _dirtyL1.Add(l1Index);
        if (old != 0)
        {
            for (int i = 0; i < slices; i++) cache.MarkDirty(cache.Find(firstKey + i)!);
            // Snapshots have it still.
            overlaps.Add(old >> geometry.ClusterBits, 1, OverlapKind.InactiveL2);
            frees.Add(old >> geometry.ClusterBits, 1, FreeReason.Replaced);
        }
        return TrySlice(guest, out slice);
    }

    /// <summary>Makes a commit write all of the table with a guest offset's entry, so that it has all of its space.</summary>
    internal bool TryTouchTable(long guest)
    {
        long firstKey = guest >> geometry.L1SpanBits << geometry.SlicesPerTableBits;
        for (int i = 0; i < 1 << geometry.SlicesPerTableBits; i++)
        {
            if (!TrySlice((firstKey + i) << (geometry.L2SliceBits + geometry.ClusterBits), out CachedSlice? slice)) return false;
            if (slice is not null) cache.MarkDirty(slice);
        }
        return true;
    }

    /// <summary>The entry of a guest offset in its slice.</summary>
    internal L2Entry Get(CachedSlice slice, int index)
    {
        ReadOnlySpan<byte> at = slice.Data.AsSpan(index << geometry.EntryBits);
        return new(BinaryPrimitives.ReadUInt64BigEndian(at), geometry.IsExtended ? BinaryPrimitives.ReadUInt64BigEndian(at[8..]) : 0);
    }

    /// <summary>Changes an entry.</summary>
    internal void Set(CachedSlice slice, int index, L2Entry entry)
    {
        Span<byte> at = slice.Data.AsSpan(index << geometry.EntryBits);
        BinaryPrimitives.WriteUInt64BigEndian(at, entry.Word);
        if (geometry.IsExtended) BinaryPrimitives.WriteUInt64BigEndian(at[8..], entry.Bitmap);
        cache.MarkDirty(slice);
    }

    /// <summary>Position of a guest offset's entry in its slice.</summary>
    internal int IndexOf(long guest) => (int)(guest >> geometry.ClusterBits) & ((1 << geometry.L2SliceBits) - 1);

    /// <summary>Number of the slice that has a guest offset's entry.</summary>
    internal long KeyOf(long guest) => guest >> (geometry.ClusterBits + geometry.L2SliceBits);

    /// <summary>Finds what is at a guest offset, and for how long, at most <paramref name="maxBytes"/>.</summary>
    internal bool TryLookup(long guest, long maxBytes, out GuestRun run)
    {
        if (!TrySlice(guest, out CachedSlice? slice))
        {
            run = default;
            return false;
        }
        if (slice is null)
        {
            long l1Index = guest >> geometry.L1SpanBits, end = l1Index + 1;
            while (end < L1.Length && (end << geometry.L1SpanBits) - guest < maxBytes && (L1[end] & Qcow2Limits.L1OffsetMask) == 0) end++;
            long length = l1Index >= L1.Length || end >= L1.Length ? maxBytes : (end << geometry.L1SpanBits) - guest;
            run = new(SubclusterKind.Unallocated, 0, Math.Min(length, maxBytes), false, default);
            return true;
        }
        int index = IndexOf(guest), within = geometry.InCluster(guest);
        L2Entry entry = GetChecked(slice, index, guest);
        int subcluster = within >> geometry.SubclusterBits;
        SubclusterKind kind = entry.KindOf(subcluster, geometry.IsExtended, hasDataFile);
        int count = entry.RunFrom(subcluster, geometry.IsExtended, hasDataFile, geometry.SubclusterCount);
        long bytes = ((long)(subcluster + count) << geometry.SubclusterBits) - within;
        bool copied = entry.IsCopied;
        if (subcluster + count == geometry.SubclusterCount && kind != SubclusterKind.Compressed && bytes < maxBytes)
            bytes += Continue(slice, index, guest - within, kind, entry.HostOffset, maxBytes - bytes, ref copied);
        if (kind == SubclusterKind.Invalid) throw Invalid(guest, index);
        run = new(kind, entry.HostOffset + within, Math.Min(bytes, maxBytes), copied, entry);
        return true;
    }

    /// <summary>An entry whose offset and flags were checked. Throws <see cref="Qcow2CorruptException"/>.</summary>
    internal L2Entry GetChecked(CachedSlice slice, int index, long guest)
    {
        L2Entry entry = Get(slice, index);
        if (entry.IsCompressed)
        {
            if (hasDataFile) throw Wrong("Compressed cluster entry found in image with external data file", guest, index);
            return entry;
        }
        if (entry.Word == 0) return entry;
        if (!geometry.IsExtended && entry.IsZero && !geometry.HasZeroClusters) throw Wrong("Zero cluster entry found in pre-v3 image", guest, index);
        if (geometry.InCluster(entry.HostOffset) != 0)
            throw Wrong($"{(entry.IsZero && !geometry.IsExtended ? "Preallocated zero cluster" : "Cluster allocation")} offset 0x{entry.HostOffset:x} unaligned", guest, index);
        if (hasDataFile && entry.HasPlace(true) && entry.HostOffset != (guest & ~(geometry.ClusterBytes - 1L)))
        {
            throw new Qcow2CorruptException(string.Create(CultureInfo.InvariantCulture,
                $"External data file host cluster offset 0x{entry.HostOffset:x} does not match guest cluster offset: 0x{guest & ~(geometry.ClusterBytes - 1L):x}, L2 index: 0x{FullIndexOf(guest, index):x})"));
        }
        return entry;
    }

    /// <summary>Hands the changed entries of the L1 table to a commit.</summary>
    internal List<long> TakeDirtyL1()
    {
        List<long> taken = [.. _dirtyL1];
        _dirtyL1.Clear();
        return taken;
    }

    /// <summary>Gives up the L2 tables from an L1 entry on, whose entries are all empty. Nothing may be dirty.</summary>
    internal void DropTables(long firstL1)
    {
        for (long i = firstL1; i < L1.Length; i++)
        {
            long table = TableOffset(i);
            if (table == 0) continue;
            L1[i] = 0;
            _dirtyL1.Add(i);
            for (long key = i << geometry.SlicesPerTableBits; key < (i + 1) << geometry.SlicesPerTableBits; key++) cache.Forget(key);
            overlaps.Remove(table >> geometry.ClusterBits, 1);
            frees.Add(table >> geometry.ClusterBits, 1, FreeReason.Discard);
        }
    }

    /// <summary>Says that an entry of the L1 table was changed.</summary>
    internal void MarkL1Dirty(long index) => _dirtyL1.Add(index);

    // Bytes of the clusters behind the one at index that go on in the same way.
    private long Continue(CachedSlice slice, int index, long guestCluster, SubclusterKind kind, long host, long wanted, ref bool copied)
    {
        long bytes = 0;
        bool inPlace = kind is SubclusterKind.Data or SubclusterKind.ZeroInPlace or SubclusterKind.UnallocatedInPlace;
        while (bytes < wanted && ++index < 1 << geometry.L2SliceBits)
        {
            guestCluster += geometry.ClusterBytes;
            host += geometry.ClusterBytes;
            L2Entry entry = GetChecked(slice, index, guestCluster);
            if (entry.KindOf(0, geometry.IsExtended, hasDataFile) != kind || (inPlace && (entry.HostOffset != host || entry.IsCopied != copied))) break;
            int count = entry.RunFrom(0, geometry.IsExtended, hasDataFile, geometry.SubclusterCount);
            bytes += (long)count << geometry.SubclusterBits;
            if (count != geometry.SubclusterCount) break;
        }
        return bytes;
    }

    private long FullIndexOf(long guest, int index) => ((KeyOf(guest) & ((1L << geometry.SlicesPerTableBits) - 1)) << geometry.L2SliceBits) + index;

    private Qcow2CorruptException Invalid(long guest, int index) => Wrong("Invalid cluster entry found", guest, index);

    private Qcow2CorruptException Wrong(string what, long guest, int index) => new(string.Create(CultureInfo.InvariantCulture,
        $"{what} (L2 offset: 0x{TableOffset(guest >> geometry.L1SpanBits):x}, L2 index: 0x{FullIndexOf(guest, index):x})"));
}
