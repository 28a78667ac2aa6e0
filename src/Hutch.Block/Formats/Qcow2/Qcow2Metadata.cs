using System;
using System.Collections.Generic;
using System.Collections.Immutable;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Graph;

namespace Hutch.Block.Formats.Qcow2;

/// <summary>
/// The one owner of an image's metadata. Every change is a step on memory under <see cref="Sync"/> that is taken whole or not at all; a step that lacks a slice
/// says so in <see cref="Miss"/>, its caller awaits <see cref="ResolveAsync"/> without the lock, and takes the step again. What steps change goes to disk in
/// <see cref="CommitAsync(CancellationToken)"/> alone, in the order that leaves leaks at most after a crash. Data moves outside the lock, several requests at a time.
/// </summary>
internal sealed partial class Qcow2Metadata : IDisposable
{
    private readonly SliceCache _l2Cache, _refcountCache;
    private readonly Dictionary<(MetadataMissKind, long), Task> _loading = [];
    private readonly Action<string>? _report;
    private readonly SemaphoreSlim _gate = new(1, 1);
    private bool _corrupt, _rewrites;

    /// <summary>Takes the tables that were read at opening.</summary>
    internal Qcow2Metadata(BlockNode file, BlockNode? dataFile, Qcow2Header header, Qcow2OpenSettings settings, ulong[] l1, ulong[] refcountTable)
    {
        File = file;
        DataFile = dataFile;
        Header = header;
        Settings = settings;
        _report = settings.Report;
        Geometry = new Qcow2Geometry(header);
        _l2Cache = new SliceCache(Geometry.SliceBytes, settings.L2CacheSlices(Geometry));
        _refcountCache = new SliceCache(Geometry.SliceBytes, settings.RefcountCacheSlices(Geometry));
        Overlaps = new OverlapMap(Geometry, settings.Overlaps);
        Refcounts = new Refcounts(Geometry, _refcountCache, Miss, NewTables) { Table = refcountTable, TableOffset = header.RefcountTableOffset };
        Allocator = new ClusterAllocator(Geometry, Refcounts, Miss, NewTables, Frees, Overlaps) { FreshFrom = Geometry.ClustersFor(file.LengthBytes) };
        L2 = new L2Tables(Geometry, header.HasDataFile, _l2Cache, Miss, NewTables, Allocator, Frees, Overlaps) { L1 = l1, L1Offset = header.L1Offset };
        _grownTo = file.LengthBytes;
        NeedsRepair = header.Has(Qcow2Features.Dirty);
    }

    /// <summary>Guards all metadata in memory. Held for short steps only, never across an await.</summary>
    internal Lock Sync { get; } = new();

    /// <summary>The image's file.</summary>
    internal BlockNode File { get; }

    /// <summary>The external data file; null without one.</summary>
    internal BlockNode? DataFile { get; }

    /// <summary>Where guest data lies.</summary>
    internal BlockNode DataNode => DataFile ?? File;

    /// <summary>The header as it is on disk.</summary>
    internal Qcow2Header Header { get; private set; }

    /// <summary>How the image was opened.</summary>
    internal Qcow2OpenSettings Settings { get; }

    /// <summary>Sizes.</summary>
    internal Qcow2Geometry Geometry { get; }

    /// <summary>Why the last step was not taken.</summary>
    internal MetadataMiss Miss { get; } = new();

    /// <summary>Tables that are not on disk yet.</summary>
    internal NewTables NewTables { get; } = new();

    /// <summary>Clusters that wait for a commit to become free.</summary>
    internal PendingFrees Frees { get; } = new();

    /// <summary>Where metadata lies.</summary>
    internal OverlapMap Overlaps { get; }

    /// <summary>Refcounts.</summary>
    internal Refcounts Refcounts { get; }

    /// <summary>Takes clusters.</summary>
    internal ClusterAllocator Allocator { get; }

    /// <summary>Mappings.</summary>
    internal L2Tables L2 { get; }

    /// <summary>Allocating writes that have not linked their clusters yet.</summary>
    internal AllocationsInFlight InFlight { get; } = new();

    /// <summary>Requests that use clusters.</summary>
    internal RequestEpochs Epochs { get; } = new();

    /// <summary>The image was found corrupt while it was open, and is not written any more.</summary>
    internal bool IsCorrupt => Volatile.Read(ref _corrupt);

    /// <summary>So much is dirty that a request should commit before it goes on.</summary>
    internal bool WantsCommit => _l2Cache.Dirty.Count > DirtyLimit(_l2Cache) || _refcountCache.Dirty.Count > DirtyLimit(_refcountCache) || Frees.Clusters > MaxPendingFrees(Geometry);

    /// <summary>Makes the map of metadata, before the first write. Under <see cref="Sync"/>.</summary>
    internal void MapMetadata()
    {
        Overlaps.Add(0, 1, OverlapKind.Header);
        Overlaps.Add(Header.L1Offset >> Geometry.ClusterBits, Geometry.ClustersFor((long)L2.L1.Length * 8), OverlapKind.ActiveL1);
        Overlaps.Add(Header.RefcountTableOffset >> Geometry.ClusterBits, Header.RefcountTableClusters, OverlapKind.RefcountTable);
        foreach (ulong entry in Refcounts.Table) Map(entry & Qcow2Limits.RefcountTableOffsetMask, OverlapKind.RefcountBlock);
        foreach (ulong entry in L2.L1) Map(entry & Qcow2Limits.L1OffsetMask, OverlapKind.ActiveL2);
        if (Header.Bitmaps is { Directory: { } directory }) Overlaps.Add(directory.Offset >> Geometry.ClusterBits, Geometry.ClustersFor(directory.LengthBytes), OverlapKind.BitmapDirectory);
        MapSnapshots();
    }

    /// <summary>Brings what the last step lacked. <paramref name="kind"/> and <paramref name="key"/> were taken from <see cref="Miss"/> under the lock.</summary>
    internal ValueTask ResolveAsync(MetadataMissKind kind, long key) => kind switch
    {
        MetadataMissKind.DirtyMark => MarkDirtyAsync(),
        MetadataMissKind.StoredTable => CommitAsync(withRefcounts: true, CancellationToken.None),
        MetadataMissKind.Reclaim => CommitAndReclaimAsync(),
        _ => LoadAsync(kind, key),
    };

    /// <summary>Throws where the image must not be written any more.</summary>
    internal void CheckWritable()
    {
        if (IsCorrupt) throw new BlockIoException($"\"{File.Filename}\" is corrupt and is not written any more.");
        if (IsOutdated) throw new BlockIoException($"\"{File.Filename}\" was amended and must be opened again before it is used.");
        if (UnknownTables is { } failure) throw new BlockIoException(failure.Message, failure.Errno);
        if (ShowsSnapshot) throw new BlockIoException($"\"{File.Filename}\" shows a snapshot and is not written.");
    }

    /// <summary>
    /// Reports metadata that contradicts itself; at the first fatal time marks the image corrupt and stops writing. Returns the I/O error for the request.
    /// </summary>
    internal async ValueTask<BlockIoException> SignalCorruptionAsync(Qcow2CorruptException corruption)
    {
        bool first;
        bool fatal = corruption.IsFatal && !Settings.ReadOnly;
        lock (Sync)
        {
            first = !(fatal ? _corrupt : _corruptionReported);
            _corruptionReported = true;
            if (fatal) _corrupt = true;
        }
        if (first)
        {
            _report?.Invoke(fatal
                ? $"qcow2: Marking image as corrupt: {corruption.Message}; further corruption events will be suppressed"
                : $"qcow2: Image is corrupt: {corruption.Message}; further non-fatal corruption events will be suppressed");
            if (fatal && Header.Version >= 3) await SetIncompatibleAsync(Qcow2Features.Corrupt, true).ConfigureAwait(false);
        }
        return new BlockIoException($"\"{File.Filename}\" is corrupt: {corruption.Message}", corruption);
    }

    /// <summary>A request that failed so.</summary>
    internal async ValueTask FailAsync(Qcow2CorruptException corruption) => throw await SignalCorruptionAsync(corruption).ConfigureAwait(false);

    /// <summary>Takes a step, and what it lacks before it, until it is taken.</summary>
    /// <param name="step">The step, under <see cref="Sync"/>; false where it lacks something.</param>
    internal async ValueTask TakeAsync(Func<bool> step)
    {
        while (true)
        {
            MetadataMissKind kind;
            long key;
            lock (Sync)
            {
                if (step()) return;
                (kind, key) = (Miss.Kind, Miss.Key);
            }
            await ResolveAsync(kind, key).ConfigureAwait(false);
        }
    }

    /// <summary>Rewrites the header as <paramref name="change"/> makes it, durably; a crash leaves the old one or the new one.</summary>
    internal async ValueTask UpdateHeaderAsync(Func<Qcow2Header, Qcow2Header> change, CancellationToken cancellation)
    {
        await _gate.WaitAsync(cancellation).ConfigureAwait(false);
        try
        {
            Qcow2Header header = change(Header);
            await Qcow2HeaderSwitch.WriteAsync(File, Header, header, cancellation).ConfigureAwait(false);
            Header = header;
        }
        finally
        {
            _gate.Release();
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _gate.Dispose();

    private bool _corruptionReported;

    private void Map(ulong offset, OverlapKind kind)
    {
        if (offset != 0) Overlaps.Add((long)(offset >> Geometry.ClusterBits), 1, kind);
    }

    private static int DirtyLimit(SliceCache cache) => Math.Min(2048, Math.Max(1, cache.Capacity / 2));

    // 64 MiB, but not a commit for each cluster where these are large.
    private static long MaxPendingFrees(Qcow2Geometry geometry) => Math.Max(1024, (64L << 20) >> geometry.ClusterBits);

    private async ValueTask LoadAsync(MetadataMissKind kind, long key)
    {
        TaskCompletionSource loaded = new(TaskCreationOptions.RunContinuationsAsynchronously);
        Task? other;
        long offset;
        SliceCache cache = kind == MetadataMissKind.L2Slice ? _l2Cache : _refcountCache;
        lock (Sync)
        {
            if (cache.Find(key) is not null) return;
            if (!_loading.TryGetValue((kind, key), out other)) _loading.Add((kind, key), loaded.Task);
            offset = SliceOffset(kind, key);
        }
        if (other is not null)
        {
            // Whether it succeeded shows when the step is taken again.
            await other.ConfigureAwait(false);
            return;
        }
        try
        {
            byte[] data = new byte[Geometry.SliceBytes];
            await File.ReadBytesAsync(offset, data, CancellationToken.None).ConfigureAwait(false);
            lock (Sync)
            {
                // The table may have moved or become new meanwhile: then what was read is not its content.
                if (SliceOffset(kind, key) == offset && cache.Find(key) is null && !NewTables.Contains(offset & ~(Geometry.ClusterBytes - 1L))) data.CopyTo(cache.Add(key).Data, 0);
            }
        }
        finally
        {
            lock (Sync) _loading.Remove((kind, key));
            loaded.SetResult();
        }
    }

    private long SliceOffset(MetadataMissKind kind, long key) => kind == MetadataMissKind.L2Slice ? L2.SliceOffset(key) : Refcounts.SliceOffset(key);

    /// <summary>
    /// Says in the header that refcounts and copied flags may disagree, durably, so that the next open for writing mends what a crash leaves. Version 2
    /// has no such mark.
    /// </summary>
    internal ValueTask BeginRewriteAsync()
    {
        if (Header.Version < 3) return ValueTask.CompletedTask;
        _rewrites = true;
        return MarkDirtyAsync();
    }

    /// <summary>Takes that back: everything is settled.</summary>
    internal ValueTask EndRewriteAsync()
    {
        _rewrites = false;
        return NeedsRepair || !Header.Has(Qcow2Features.Dirty) ? ValueTask.CompletedTask : SetIncompatibleAsync(Qcow2Features.Dirty, false);
    }

    private ValueTask MarkDirtyAsync() => Header.Has(Qcow2Features.Dirty) ? ValueTask.CompletedTask : SetIncompatibleAsync(Qcow2Features.Dirty, true);

    // The feature bits alone, eight bytes that no crash tears.
    private async ValueTask SetIncompatibleAsync(ulong bits, bool set)
    {
        await _gate.WaitAsync().ConfigureAwait(false);
        try
        {
            ulong now = set ? Header.Incompatible | bits : Header.Incompatible & ~bits;
            if (now == Header.Incompatible) return;
            byte[] field = new byte[8];
            System.Buffers.Binary.BinaryPrimitives.WriteUInt64BigEndian(field, now);
            await File.WriteBytesAsync(Qcow2HeaderWriter.IncompatibleOffset, field, WriteFlags.None, CancellationToken.None).ConfigureAwait(false);
            await File.FlushAsync(CancellationToken.None).ConfigureAwait(false);
            Header = Header with { Incompatible = now };
        }
        finally
        {
            _gate.Release();
        }
    }

    // A table of many snapshots with large L1 tables must not fill the memory.
    private const long MaxMappedClusters = 1 << 18;

    /// <summary>Snapshots, in the table's order.</summary>
    internal ImmutableArray<Qcow2Snapshot> Snapshots { get; private set; } = [];

    /// <summary>Length of the snapshot table in bytes.</summary>
    internal long SnapshotTableBytes { get; private set; }

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

    /// <summary>The header on disk has changed so that what is in memory does not describe the image any more: it must be opened again before it is used.</summary>
    internal bool IsOutdated { get; private set; }

    /// <summary>See <see cref="IsOutdated"/>. All is durable.</summary>
    internal void MarkOutdated() => IsOutdated = true;

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

    /// <summary>Tables of snapshots are to be protected, but cannot be read: nothing is written then. Null for none.</summary>
    internal BlockIoException? UnknownTables { get; private set; }

    /// <summary>Maps the L2 tables of snapshots, where those are protected.</summary>
    internal async ValueTask MapInactiveTablesAsync(CancellationToken cancellation)
    {
        if (!Settings.Overlaps.Has(OverlapKind.InactiveL2)) return;
        try
        {
            long room = MaxMappedClusters;
            foreach (Qcow2Snapshot snapshot in Snapshots)
            {
                ulong[] l1 = await Qcow2TableReader.ReadSnapshotL1Async(File, Header, snapshot, cancellation).ConfigureAwait(false);
                if ((room -= l1.Length) < 0) return;
                lock (Sync)
                {
                    foreach (ulong entry in l1)
                        if (!Overlaps.Is((long)(entry & Qcow2Limits.L1OffsetMask) >> Geometry.ClusterBits, OverlapKind.ActiveL2)) Map(entry & Qcow2Limits.L1OffsetMask, OverlapKind.InactiveL2);
                }
            }
        }
        catch (ImageException e)
        {
            UnknownTables = new BlockIoException($"\"{File.Filename}\" is not written: {e.Message}", e.Errno ?? BlockIoException.Eio);
        }
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
