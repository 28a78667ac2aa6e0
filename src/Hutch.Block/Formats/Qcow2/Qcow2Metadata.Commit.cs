using System;
using System.Collections.Generic;
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
        if (Header.Has(Qcow2Features.Dirty) && IsLazy && !NeedsRepair && !_rewrites) await SetIncompatibleAsync(Qcow2Features.Dirty, false).ConfigureAwait(false);
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

    private const long MinGrowBytes = 1 << 20, MaxGrowBytes = 64 << 20;

    private readonly SemaphoreSlim _growGate = new(1, 1);
    private long _grownTo;
    private bool _cannotGrow, _grew;

    /// <summary>
    /// Makes the file reach <paramref name="end"/>, in large steps: a write inside a file is much cheaper than one that makes it longer. Storage
    /// that cannot be grown by itself is left to grow with its writes.
    /// </summary>
    internal ValueTask GrowFileAsync(long end) => end <= Volatile.Read(ref _grownTo) || _cannotGrow ? ValueTask.CompletedTask : GrowSlowlyAsync(end);

    /// <summary>The file grows with its space reserved, because all of the image's space is being taken ahead: data and tables lie in one piece then.</summary>
    internal bool ReservesSpace { get; set; }

    /// <summary>Cuts what growing in steps has put behind the last used cluster. No request may be in flight.</summary>
    internal async ValueTask TrimFileAsync()
    {
        long end = EndOfFile();
        if (_grew && end < File.LengthBytes) await File.ResizeAsync(end, Preallocation.Off, CancellationToken.None).ConfigureAwait(false);
        _grew = false;
        Volatile.Write(ref _grownTo, File.LengthBytes);
    }

    // A table is not padded: where it is last, the file ends with its last byte.
    private long EndOfFile()
    {
        Qcow2Range directory = Header.Bitmaps?.Directory ?? default;
        foreach (Qcow2Range table in (ReadOnlySpan<Qcow2Range>)[new(L2.L1Offset, L2.L1.Length * 8L), directory])
            if (table.LengthBytes != 0 && Geometry.ClustersFor(table.Offset + table.LengthBytes) == Allocator.FreshFrom) return table.Offset + table.LengthBytes;
        return Math.Max(Allocator.FreshFrom << Geometry.ClusterBits, 0);
    }

    /// <summary>The file was cut to this many clusters.</summary>
    internal void NoteCut(long clusters)
    {
        lock (Sync) Allocator.FreshFrom = clusters;
        _grew = false;
        Volatile.Write(ref _grownTo, File.LengthBytes);
    }

    private async ValueTask GrowSlowlyAsync(long end)
    {
        await _growGate.WaitAsync().ConfigureAwait(false);
        try
        {
            if (end <= _grownTo || _cannotGrow) return;
            long step = Math.Clamp(_grownTo / 4, MinGrowBytes, MaxGrowBytes), target = checked(end + step) & ~(MinGrowBytes - 1);
            if (!await TryReserveAsync(target).ConfigureAwait(false)) await File.ResizeAsync(target, Preallocation.Off, CancellationToken.None).ConfigureAwait(false);
            _grew = true;
            Volatile.Write(ref _grownTo, target);
        }
        catch (BlockIoException)
        {
            // A device, or a file system that is full: the write that needs the place says so.
            _cannotGrow = true;
        }
        finally
        {
            _growGate.Release();
        }
    }

    // Storage that has no room for all of a step may have enough for the write.
    private async ValueTask<bool> TryReserveAsync(long target)
    {
        Preallocation how = ReservesSpace ? Preallocation.Falloc : File.Limits.GrowsBestWith;
        if (how == Preallocation.Off) return false;
        try
        {
            await File.ResizeAsync(target, how, CancellationToken.None).ConfigureAwait(false);
            return true;
        }
        catch (BlockIoException)
        {
            return false;
        }
    }

    // Not inside an epoch: earlier requests must be able to end.
    private async ValueTask CommitAndReclaimAsync()
    {
        await CommitAsync(CancellationToken.None).ConfigureAwait(false);
        await Volatile.Read(ref _reclaiming).ConfigureAwait(false);
    }

    private void StartReclaim(List<PendingFree> frees) => Volatile.Write(ref _reclaiming, ReclaimAsync(_reclaiming, frees));

    // One at a time, in the order of commits; never fails: clusters that cannot be freed leak.
    private async Task ReclaimAsync(Task before, List<PendingFree> frees)
    {
        await before.ConfigureAwait(false);
        int epoch;
        lock (Sync) epoch = Epochs.Advance();
        await Epochs.WaitAsync(epoch).ConfigureAwait(false);
        try
        {
            foreach (PendingFree free in frees) await ReclaimAsync(free).ConfigureAwait(false);
        }
        catch (BlockIoException e)
        {
            _report?.Invoke($"\"{File.Filename}\": clusters could not be freed and are leaked: {e.Message}");
        }
        catch (Qcow2CorruptException e)
        {
            _ = await SignalCorruptionAsync(e).ConfigureAwait(false);
        }
    }

    private async ValueTask ReclaimAsync(PendingFree free)
    {
        long at = free.First, end = free.First + free.Count;
        while (at < end)
        {
            long runStart = at;
            bool missed;
            MetadataMissKind kind;
            long key;
            lock (Sync)
            {
                // A run of clusters whose only reference this was: nobody can take them before their refcount is 0, so their space can go meanwhile.
                ulong refcount = 0;
                missed = false;
                while (at < end && !(missed = !Refcounts.TryGet(at, out refcount)) && refcount == 1) Allocator.ForgetBytesIn(at++);
                (kind, key) = (Miss.Kind, Miss.Key);
            }
            if (at != runStart)
            {
                if (Settings.PassesDiscard(free.Reason)) await DiscardAsync(File, runStart, at - runStart).ConfigureAwait(false);
                for (long cluster = runStart; cluster < at; cluster++) await DropAsync(cluster).ConfigureAwait(false);
            }
            else if (missed)
            {
                await ResolveAsync(kind, key).ConfigureAwait(false);
            }
            else
            {
                await DropAsync(at++).ConfigureAwait(false);
            }
        }
    }

    // Takes one reference away.
    private async ValueTask DropAsync(long cluster)
    {
        while (true)
        {
            MetadataMissKind kind;
            long key;
            lock (Sync)
            {
                if (Refcounts.TryChange(cluster, -1, out ulong now))
                {
                    if (now == 0) Allocator.NoteFree(cluster);
                    return;
                }
                (kind, key) = (Miss.Kind, Miss.Key);
            }
            await ResolveAsync(kind, key).ConfigureAwait(false);
        }
    }

    /// <summary>Gives clusters of the image's file, or of its data file, back to the storage, as far as that reaches.</summary>
    internal async ValueTask DiscardAsync(BlockNode node, long first, long count)
    {
        long offset = first << Geometry.ClusterBits, length = Math.Min(count << Geometry.ClusterBits, node.LengthBytes - offset);
        if (length <= 0 || !node.Limits.CanDiscard) return;
        try
        {
            await node.DiscardAsync(offset, length, CancellationToken.None).ConfigureAwait(false);
        }
        catch (BlockIoException)
        {
            // A hint that storage did not take.
        }
    }
}
