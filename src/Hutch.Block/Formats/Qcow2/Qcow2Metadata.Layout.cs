using System;
using System.Collections.Immutable;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Graph;

namespace Hutch.Block.Formats.Qcow2;

/// <summary>Replacing whole tables: snapshots, bitmaps. No request is in flight and everything is settled.</summary>
internal sealed partial class Qcow2Metadata
{
    // A table of many snapshots with large L1 tables must not fill the memory.
    private const long MaxMappedClusters = 1 << 18;

    /// <summary>Snapshots, in the table's order.</summary>
    internal ImmutableArray<Qcow2Snapshot> Snapshots { get; private set; } = [];

    /// <summary>Length of the snapshot table in bytes.</summary>
    internal long SnapshotTableBytes { get; private set; }

    /// <summary>Persistent bitmaps as the directory had them when the image was opened.</summary>
    internal ImmutableArray<Qcow2BitmapEntry> Bitmaps { get; set; } = [];

    /// <summary>Refcounts were behind when the image was opened: only a repair may say that they are right.</summary>
    internal bool NeedsRepair { get; set; }

    /// <summary>A snapshot's content is shown, so nothing is written any more.</summary>
    internal bool ShowsSnapshot { get; private set; }

    /// <summary>Takes the snapshots of a table that was read or written.</summary>
    internal void TakeSnapshots(Qcow2SnapshotTable table) => (Snapshots, SnapshotTableBytes) = (table.Snapshots, table.LengthBytes);

    /// <summary>Takes clusters in a row for metadata of this kind. Returns their offset; their refcounts are not durable yet.</summary>
    internal async ValueTask<long> AllocateAsync(long lengthBytes, OverlapKind kind, string what)
    {
        long clusters = Geometry.ClustersFor(lengthBytes), offset = 0;
        await TakeAsync(() =>
        {
            if (!Allocator.TryAllocate(clusters, out Allocation taken)) return false;
            offset = taken.First << Geometry.ClusterBits;
            for (long i = 0; i < clusters; i++) Allocator.CheckPlace(offset + (i << Geometry.ClusterBits), what);
            Overlaps.Add(taken.First, clusters, kind);
            return true;
        }).ConfigureAwait(false);
        return offset;
    }

    /// <summary>Gives clusters of metadata up that nothing durable names any more. They become free with the next commit.</summary>
    internal void Free(long offset, long lengthBytes)
    {
        if (offset == 0 || lengthBytes == 0) return;
        lock (Sync)
        {
            Overlaps.Remove(offset >> Geometry.ClusterBits, Geometry.ClustersFor(lengthBytes));
            Frees.Add(offset >> Geometry.ClusterBits, Geometry.ClustersFor(lengthBytes), FreeReason.Replaced);
        }
    }

    /// <summary>Writes a table of words in one place.</summary>
    internal async ValueTask WriteWordsAsync(long offset, ulong[] words)
    {
        using MetadataWrites writes = new(Geometry.SliceBytes);
        writes.AddWords(offset, words);
        await GrowFileAsync(offset + ((long)words.Length * 8)).ConfigureAwait(false);
        await writes.WriteAsync(File).ConfigureAwait(false);
    }

    /// <summary>Writes bytes of metadata in one place.</summary>
    internal async ValueTask WriteTableAsync(long offset, ReadOnlyMemory<byte> table)
    {
        await GrowFileAsync(offset + table.Length).ConfigureAwait(false);
        await File.WriteBytesAsync(offset, table, WriteFlags.None, CancellationToken.None).ConfigureAwait(false);
    }

    /// <summary>Forgets cached L2 tables, because they are read and written past the cache. Nothing is dirty.</summary>
    internal void ForgetL2Tables()
    {
        lock (Sync) _l2Cache.Clear();
    }

    /// <summary>Takes tables that a repair has changed on disk. Nothing is dirty.</summary>
    internal void Reload(ulong[] l1, ulong[] refcountTable)
    {
        lock (Sync)
        {
            _l2Cache.Clear();
            _refcountCache.Clear();
            (L2.L1, L2.L1Offset) = (l1, Header.L1Offset);
            (Refcounts.Table, Refcounts.TableOffset) = (refcountTable, Header.RefcountTableOffset);
            Overlaps.Clear();
            MapMetadata();
            Allocator.FreeIndex = 0;
            Allocator.FreshFrom = Geometry.ClustersFor(File.LengthBytes);
        }
    }

    /// <summary>Makes another L1 table the active one; the header names it already.</summary>
    internal void SwitchL1(ulong[] l1, long offset)
    {
        lock (Sync)
        {
            _l2Cache.Clear();
            foreach (ulong entry in L2.L1) Unmap(entry);
            Overlaps.Remove(L2.L1Offset >> Geometry.ClusterBits, Geometry.ClustersFor((long)L2.L1.Length * 8));
            (L2.L1, L2.L1Offset) = (l1, offset);
            Overlaps.Add(offset >> Geometry.ClusterBits, Geometry.ClustersFor((long)l1.Length * 8), OverlapKind.ActiveL1);
            foreach (ulong entry in l1) Map(entry & Qcow2Limits.L1OffsetMask, OverlapKind.ActiveL2);
        }
    }

    /// <summary>Shows a snapshot from now on; nothing is written any more.</summary>
    internal void ShowSnapshot(ulong[] l1, Qcow2Snapshot snapshot)
    {
        lock (Sync)
        {
            ShowsSnapshot = true;
            _l2Cache.Clear();
            (L2.L1, L2.L1Offset) = (l1, snapshot.L1Offset);
            Header = Header with { LengthBytes = snapshot.Info.DiskBytes };
        }
    }

    private void Unmap(ulong entry)
    {
        long offset = (long)(entry & Qcow2Limits.L1OffsetMask);
        if (offset != 0) Overlaps.Remove(offset >> Geometry.ClusterBits, 1);
    }

    private void MapSnapshots()
    {
        if (SnapshotTableBytes != 0) Overlaps.Add(Header.SnapshotsOffset >> Geometry.ClusterBits, Geometry.ClustersFor(SnapshotTableBytes), OverlapKind.SnapshotTable);
        long room = MaxMappedClusters;
        foreach (Qcow2Snapshot snapshot in Snapshots)
        {
            long clusters = Geometry.ClustersFor((long)snapshot.L1Entries * 8);
            if (snapshot.L1Offset <= 0 || snapshot.L1Entries > Qcow2Limits.MaxL1Bytes / 8 || (room -= clusters) < 0) continue;
            Overlaps.Add(snapshot.L1Offset >> Geometry.ClusterBits, clusters, OverlapKind.InactiveL1);
        }
    }
}
