using System;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Graph;

namespace Hutch.Block.Formats.Qcow2;

/// <summary>Changes of the disk's length, and taking space ahead. No request is in flight.</summary>
internal sealed class Qcow2Resizer(Qcow2Guest guest, Qcow2Writer writer, Qcow2Unmapper unmapper)
{
    private readonly Qcow2Metadata _metadata = guest.Metadata;
    private readonly Qcow2Geometry _geometry = guest.Metadata.Geometry;

    // Tables are written as a whole, so that all of their space is there.
    private bool _takesTables;

    /// <summary>Changes the length. Throws <see cref="ImageException"/> for what cannot be.</summary>
    internal async ValueTask ResizeAsync(long lengthBytes, Preallocation preallocation, CancellationToken cancellation)
    {
        _metadata.CheckWritable();
        long old = _metadata.Header.LengthBytes;
        if ((lengthBytes & 511) != 0) throw new ImageException("The new size must be a multiple of 512");
        if (_metadata.Header.SnapshotCount != 0 && _metadata.Header.Version < 3) throw new ImageException("Can't resize a v2 image which has snapshots");
        if (lengthBytes < old)
        {
            if (preallocation != Preallocation.Off) throw new ImageException("Preallocation can't be used for shrinking an image");
            await ShrinkAsync(old, lengthBytes, cancellation).ConfigureAwait(false);
            return;
        }
        // The end may lie within a cluster that has more than the disk had, and a backing image may be longer: that was never seen and must not be now.
        await GrowAsync(old, lengthBytes, preallocation, hide: true, cancellation).ConfigureAwait(false);
    }

    /// <summary>Gives a new image its length.</summary>
    internal ValueTask GrowNewAsync(long lengthBytes, Preallocation preallocation, CancellationToken cancellation) => GrowAsync(0, lengthBytes, preallocation, hide: false, cancellation);

    /// <summary>Gives all data of the disk up.</summary>
    internal async ValueTask MakeEmptyAsync(CancellationToken cancellation)
    {
        long end = (_metadata.Header.LengthBytes + _geometry.ClusterBytes - 1) & -(long)_geometry.ClusterBytes;
        if (end != 0) await unmapper.DropAsync(0, end, cancellation).ConfigureAwait(false);
        await _metadata.CommitAsync(cancellation).ConfigureAwait(false);
        lock (_metadata.Sync) _metadata.L2.DropTables(0);
        await _metadata.SettleAsync().ConfigureAwait(false);
        await CutFileAsync(cancellation).ConfigureAwait(false);
    }

    private async ValueTask GrowAsync(long old, long lengthBytes, Preallocation preallocation, bool hide, CancellationToken cancellation)
    {
        try
        {
            _takesTables = preallocation != Preallocation.Off;
            _metadata.ReservesSpace = preallocation is Preallocation.Falloc or Preallocation.Full && _metadata.DataFile is null;
            await GrowL1Async(Qcow2Geometry.L1EntriesFor(_metadata.Header, lengthBytes), exact: true, cancellation).ConfigureAwait(false);
            if (_metadata.DataFile is { } data && (data.LengthBytes < lengthBytes || _metadata.Header.IsDataFileRaw))
                await data.ResizeAsync(lengthBytes, preallocation is Preallocation.Metadata ? Preallocation.Off : preallocation, cancellation).ConfigureAwait(false);
            if (hide) await HideAsync(old, lengthBytes, cancellation).ConfigureAwait(false);
            // The file system chooses the place of what was written only now, and of what is reserved at once: in this order they lie in one piece.
            if (hide && _metadata.ReservesSpace) await _metadata.File.FlushAsync(cancellation).ConfigureAwait(false);
            if (preallocation != Preallocation.Off) await PreallocateAsync(old, lengthBytes, preallocation, cancellation).ConfigureAwait(false);
            await _metadata.CommitAsync(cancellation).ConfigureAwait(false);
            await _metadata.UpdateHeaderAsync(header => header with { LengthBytes = lengthBytes }, cancellation).ConfigureAwait(false);
        }
        finally
        {
            (_takesTables, _metadata.ReservesSpace) = (false, false);
        }
    }

    /// <summary>
    /// Makes the L1 table longer, so that it has <paramref name="entries"/>; unless <paramref name="exact"/>, by half at least. Where tables are taken ahead its
    /// last cluster is written as a whole, so that it lies in one piece with what follows.
    /// </summary>
    internal async ValueTask GrowL1Async(long entries, bool exact, CancellationToken cancellation)
    {
        long now = _metadata.L2.L1.Length;
        if (entries <= now) return;
        if (!exact) entries = Math.Max(entries, now + ((now + 1) / 2));
        if (entries > Qcow2Limits.MaxL1Bytes / 8) throw new BlockIoException("The L1 table would be too large; use larger clusters.", BlockIoException.Efbig);
        await _metadata.CommitAsync(cancellation).ConfigureAwait(false);
        ulong[] l1 = new ulong[entries];
        _metadata.L2.L1.CopyTo(l1, 0);
        long clusters = _geometry.ClustersFor(entries * 8), offset = 0, oldOffset = _metadata.L2.L1Offset, oldClusters = _geometry.ClustersFor(now * 8);
        await _metadata.TakeAsync(() =>
        {
            if (!_metadata.Allocator.TryAllocate(clusters, out Allocation taken)) return false;
            offset = taken.First << _geometry.ClusterBits;
            return true;
        }).ConfigureAwait(false);
        // Refcounts, then the table, then the header that names it: each durable before the next.
        await _metadata.CommitAsync(withRefcounts: true, cancellation).ConfigureAwait(false);
        ulong[] written = l1;
        if (_takesTables) Array.Resize(ref written, (int)(clusters << (_geometry.ClusterBits - 3)));
        await WriteL1Async(offset, written, cancellation).ConfigureAwait(false);
        await _metadata.File.FlushAsync(cancellation).ConfigureAwait(false);
        await _metadata.UpdateHeaderAsync(header => header with { L1Offset = offset, L1Entries = (int)entries }, cancellation).ConfigureAwait(false);
        lock (_metadata.Sync)
        {
            _metadata.L2.L1 = l1;
            _metadata.L2.L1Offset = offset;
            _metadata.Overlaps.Remove(oldOffset >> _geometry.ClusterBits, oldClusters);
            _metadata.Overlaps.Add(offset >> _geometry.ClusterBits, clusters, OverlapKind.ActiveL1);
            if (oldOffset != 0) _metadata.Frees.Add(oldOffset >> _geometry.ClusterBits, oldClusters, FreeReason.Replaced);
        }
    }

    private async ValueTask WriteL1Async(long offset, ulong[] l1, CancellationToken cancellation)
    {
        using MetadataWrites writes = new(_geometry.SliceBytes);
        writes.AddWords(offset, l1);
        await _metadata.GrowFileAsync(offset + ((long)l1.Length * 8)).ConfigureAwait(false);
        await writes.WriteAsync(_metadata.File).ConfigureAwait(false);
    }

    private async ValueTask HideAsync(long old, long lengthBytes, CancellationToken cancellation)
    {
        long clusterEnd = (old + _geometry.ClusterBytes - 1) & -(long)_geometry.ClusterBytes;
        long end = Math.Min(clusterEnd, lengthBytes);
        if (guest.Backing is { } backing) end = Math.Max(end, Math.Min(backing.LengthBytes, lengthBytes));
        else if (_metadata.Header.BackingName is not null && lengthBytes > end) end = lengthBytes;
        if (end > old && !await writer.IsZeroAsync(old, end - old).ConfigureAwait(false))
            await unmapper.WriteZeroesAsync(old, end - old, WriteFlags.MayUnmap, lengthBytes, cancellation).ConfigureAwait(false);
    }

    private async ValueTask ShrinkAsync(long old, long lengthBytes, CancellationToken cancellation)
    {
        long firstGone = (lengthBytes + _geometry.ClusterBytes - 1) & -(long)_geometry.ClusterBytes;
        long end = (old + _geometry.ClusterBytes - 1) & -(long)_geometry.ClusterBytes;
        if (firstGone < end) await unmapper.DropAsync(firstGone, end, cancellation).ConfigureAwait(false);
        await _metadata.CommitAsync(cancellation).ConfigureAwait(false);
        long entries = Qcow2Geometry.L1EntriesFor(_metadata.Header, lengthBytes);
        lock (_metadata.Sync) _metadata.L2.DropTables(entries);
        await _metadata.UpdateHeaderAsync(header => header with { LengthBytes = lengthBytes }, cancellation).ConfigureAwait(false);
        await _metadata.SettleAsync().ConfigureAwait(false);
        if (_metadata.DataFile is { } data && _metadata.Header.IsDataFileRaw) await data.ResizeAsync(lengthBytes, Preallocation.Off, cancellation).ConfigureAwait(false);
        await CutFileAsync(cancellation).ConfigureAwait(false);
    }

    // The file need not be longer than its last cluster in use.
    private async ValueTask CutFileAsync(CancellationToken cancellation)
    {
        long cluster = _geometry.ClustersFor(_metadata.File.LengthBytes) - 1;
        while (cluster >= 0)
        {
            long at = cluster;
            bool used = false;
            await _metadata.TakeAsync(() =>
            {
                if (!_metadata.Refcounts.TryGet(at, out ulong refcount)) return false;
                used = refcount != 0;
                return true;
            }).ConfigureAwait(false);
            if (used) break;
            cluster--;
        }
        long end = (cluster + 1) << _geometry.ClusterBits;
        if (end < _metadata.File.LengthBytes) await _metadata.File.ResizeAsync(end, Preallocation.Off, cancellation).ConfigureAwait(false);
        _metadata.NoteCut(cluster + 1);
    }

    // Takes clusters for a part of the disk: by their entries alone, or with the space in the file too.
    private async ValueTask PreallocateAsync(long start, long end, Preallocation preallocation, CancellationToken cancellation)
    {
        long at = start & -(long)_geometry.ClusterBytes;
        end = (end + _geometry.ClusterBytes - 1) & -(long)_geometry.ClusterBytes;
        while (at < end)
        {
            cancellation.ThrowIfCancellationRequested();
            long from = at, next = at;
            WritePlan? plan = null;
            await _metadata.TakeAsync(() => writer.Planner.TryPreallocate(from, end, out next, out plan)).ConfigureAwait(false);
            if (plan is not null) await FillAsync(plan, preallocation, cancellation).ConfigureAwait(false);
            at = next;
            if (_metadata.WantsCommit) await _metadata.CommitAsync(cancellation).ConfigureAwait(false);
        }
        // Tables before the last are full.
        if (start < end) await _metadata.TakeAsync(() => _metadata.L2.TryTouchTable(end - 1)).ConfigureAwait(false);
    }

    private async ValueTask FillAsync(WritePlan plan, Preallocation preallocation, CancellationToken cancellation)
    {
        long length = plan.Part.Count << _geometry.ClusterBits;
        bool linked = false;
        try
        {
            if (_metadata.DataFile is null)
            {
                await _metadata.GrowFileAsync(plan.HostOffset + length).ConfigureAwait(false);
                if (preallocation is Preallocation.Falloc or Preallocation.Full || !plan.IsFresh)
                    await _metadata.File.WriteZeroesAsync(plan.HostOffset, length, WriteFlags.None, cancellation).ConfigureAwait(false);
            }
            await _metadata.TakeAsync(() => writer.Planner.TryLink(plan)).ConfigureAwait(false);
            linked = true;
        }
        finally
        {
            if (!linked)
                lock (_metadata.Sync) writer.Planner.Abandon(plan);
        }
    }
}
