using System;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Graph;

namespace Hutch.Block.Formats.Qcow2;

/// <summary>
/// Bringing metadata to disk. A commit takes a copy of everything that changed, in one step, and writes it while requests go on:
/// <list type="number">
/// <item>new tables and refcounts, into places that nothing on disk names for what they are now;</item>
/// <item>where refcount blocks are new: a flush, then their entries in the table; where the table moved: a flush, then the header;</item>
/// <item>a flush, which makes data that was written before durable too;</item>
/// <item>L2 entries and L1 entries;</item>
/// <item>a flush. Only then may what the old entries named be used again.</item>
/// </list>
/// Refcounts rise in the commit of the entries that need them and fall in a later one, so that a crash anywhere leaves leaks at most.
/// </summary>
internal sealed partial class Qcow2Metadata
{
    private long _tickets, _committed;
    private int _commitsRunning;
    private Task _reclaiming = Task.CompletedTask;

    /// <summary>Everything that steps changed until now is durable, and all data that was written, when the task completes.</summary>
    internal ValueTask FlushAsync(CancellationToken cancellation)
    {
        bool clean;
        lock (Sync) clean = _commitsRunning == 0 && !HasChanges;
        return clean || IsCorrupt ? FlushFilesAsync(cancellation) : CommitAsync(cancellation);
    }

    /// <summary>Writes all changes and makes them durable. Several callers share a commit. Not inside <see cref="RequestEpochs.Enter"/>.</summary>
    internal ValueTask CommitAsync(CancellationToken cancellation) => CommitAsync(withRefcounts: !IsLazy, cancellation);

    /// <summary>Writes all changes, refcounts even if they may be postponed.</summary>
    internal async ValueTask CommitAsync(bool withRefcounts, CancellationToken cancellation)
    {
        long ticket = Interlocked.Increment(ref _tickets);
        await _gate.WaitAsync(cancellation).ConfigureAwait(false);
        try
        {
            if (Volatile.Read(ref _committed) >= ticket && withRefcounts == !IsLazy) return;
            long upTo = Volatile.Read(ref _tickets);
            await CommitOnceAsync(withRefcounts).ConfigureAwait(false);
            Volatile.Write(ref _committed, upTo);
        }
        finally
        {
            _gate.Release();
        }
    }

    /// <summary>Commits until nothing is left, refcounts and freed clusters too; the image is clean then. No request may be in flight.</summary>
    internal async ValueTask SettleAsync()
    {
        while (true)
        {
            await _gate.WaitAsync().ConfigureAwait(false);
            try
            {
                await CommitOnceAsync(withRefcounts: true).ConfigureAwait(false);
            }
            finally
            {
                _gate.Release();
            }
            await Volatile.Read(ref _reclaiming).ConfigureAwait(false);
            lock (Sync)
                if (!HasChanges) break;
        }
        if (Header.Has(Qcow2Features.Dirty) && IsLazy && !NeedsRepair) await SetIncompatibleAsync(Qcow2Features.Dirty, false).ConfigureAwait(false);
    }

    /// <summary>Refcounts on disk may be behind, and the header says so.</summary>
    internal bool IsLazy => Settings.LazyRefcounts ?? Header.IsLazy;

    private bool HasChanges => _l2Cache.Dirty.Count != 0 || _refcountCache.Dirty.Count != 0 || L2.DirtyL1.Count != 0 || Refcounts.DirtyEntries.Count != 0
        || Refcounts.TableMoved || Frees.Clusters != 0;

    private async ValueTask FlushFilesAsync(CancellationToken cancellation)
    {
        if (DataFile is not null) await DataFile.FlushAsync(cancellation).ConfigureAwait(false);
        await File.FlushAsync(cancellation).ConfigureAwait(false);
    }

    private async ValueTask CommitOnceAsync(bool withRefcounts)
    {
        CheckWritable();
        MetadataCommit commit;
        lock (Sync)
        {
            // Postponed refcounts go along when they become many.
            commit = Seal(withRefcounts || _refcountCache.Dirty.Count > DirtyLimit(_refcountCache));
            _commitsRunning++;
        }
        bool failed = true;
        try
        {
            await WriteAsync(commit).ConfigureAwait(false);
            failed = false;
        }
        finally
        {
            lock (Sync)
            {
                _commitsRunning--;
                End(commit, failed);
            }
            commit.Dispose();
        }
        if (commit.Frees.Count != 0) StartReclaim(commit.Frees);
    }

    private async ValueTask WriteAsync(MetadataCommit commit)
    {
        await GrowFileAsync(commit.FileEnd).ConfigureAwait(false);
        foreach ((long offset, bool needsZeroing) in commit.NewTables)
            if (needsZeroing) await File.WriteZeroesAsync(offset, Geometry.ClusterBytes, WriteFlags.None, CancellationToken.None).ConfigureAwait(false);
        await commit.Early.WriteAsync(File).ConfigureAwait(false);
        if (commit.TableEntries.Count != 0 || commit.Table is not null)
        {
            await File.FlushAsync(CancellationToken.None).ConfigureAwait(false);
            await commit.TableEntries.WriteAsync(File).ConfigureAwait(false);
            if (commit.Table is { } table) await SwitchTableAsync(table).ConfigureAwait(false);
        }
        if (commit.Late.Count != 0)
        {
            await FlushFilesAsync(CancellationToken.None).ConfigureAwait(false);
            await commit.Late.WriteAsync(File).ConfigureAwait(false);
        }
        await FlushFilesAsync(CancellationToken.None).ConfigureAwait(false);
    }

    private async ValueTask SwitchTableAsync(Qcow2Range table)
    {
        byte[] fields = new byte[12];
        System.Buffers.Binary.BinaryPrimitives.WriteInt64BigEndian(fields, table.Offset);
        System.Buffers.Binary.BinaryPrimitives.WriteInt32BigEndian(fields.AsSpan(8), (int)(table.LengthBytes >> Geometry.ClusterBits));
        await File.WriteBytesAsync(Qcow2HeaderWriter.RefcountTableOffset, fields, WriteFlags.None, CancellationToken.None).ConfigureAwait(false);
        Header = Header with { RefcountTableOffset = table.Offset, RefcountTableClusters = (int)(table.LengthBytes >> Geometry.ClusterBits) };
    }

    // Copies what changed. Under the lock.
    private MetadataCommit Seal(bool withRefcounts)
    {
        MetadataCommit commit = new(Geometry, Frees.Take()) { FileEnd = Allocator.FreshFrom << Geometry.ClusterBits };
        commit.L2Slices = _l2Cache.TakeDirty();
        foreach (CachedSlice slice in commit.L2Slices)
        {
            long offset = L2.SliceOffset(slice.Key);
            Overlaps.CheckOnly(offset, Geometry.SliceBytes, OverlapKind.ActiveL2);
            bool isNew = NewTables.Contains(offset & ~(Geometry.ClusterBytes - 1L));
            (isNew ? commit.Early : commit.Late).Add(offset, slice.Data);
        }
        commit.L1Entries = L2.TakeDirtyL1();
        foreach (long index in commit.L1Entries) commit.Late.AddWord(L2.L1Offset + (index * 8), L2.L1[index]);
        commit.NewTables = NewTables.List();
        if (withRefcounts)
        {
            commit.RefcountSlices = _refcountCache.TakeDirty();
            foreach (CachedSlice slice in commit.RefcountSlices)
            {
                long offset = Refcounts.SliceOffset(slice.Key);
                Overlaps.CheckOnly(offset, Geometry.SliceBytes, OverlapKind.RefcountBlock);
                commit.Early.Add(offset, slice.Data);
            }
            commit.RefcountEntries = Refcounts.TakeDirtyEntries();
            if (Refcounts.TableMoved)
            {
                Refcounts.TableMoved = false;
                commit.Table = new(Refcounts.TableOffset, (long)Refcounts.Table.Length * 8);
                commit.Early.AddWords(Refcounts.TableOffset, Refcounts.Table);
            }
            else
            {
                foreach (long entry in commit.RefcountEntries) commit.TableEntries.AddWord(Refcounts.TableOffset + (entry * 8), Refcounts.Table[entry]);
            }
        }
        else
        {
            commit.NewTables.RemoveAll(table => !IsL2(table.Offset));
        }
        return commit;
    }

    private bool IsL2(long offset) => Overlaps.Is(offset >> Geometry.ClusterBits, OverlapKind.ActiveL2);

    // Under the lock. What failed to reach the disk is dirty again.
    private void End(MetadataCommit commit, bool failed)
    {
        _l2Cache.EndCommit(commit.L2Slices, failed);
        _refcountCache.EndCommit(commit.RefcountSlices, failed);
        if (!failed)
        {
            foreach ((long offset, _) in commit.NewTables) NewTables.Remove(offset);
            return;
        }
        foreach (long index in commit.L1Entries) L2.MarkL1Dirty(index);
        if (commit.Table is not null) Refcounts.TableMoved = true;
        foreach (long entry in commit.RefcountEntries) Refcounts.DirtyEntries.Add(entry);
        Frees.Restore(commit.Frees);
    }
}
