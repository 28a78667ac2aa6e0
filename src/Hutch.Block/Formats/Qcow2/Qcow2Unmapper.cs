using System;
using System.Collections.Generic;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Graph;
using Hutch.Host.Files;

namespace Hutch.Block.Formats.Qcow2;

/// <summary>Zeroes and discards: changes of the mapping alone. What was there is given up once that is durable.</summary>
internal sealed class Qcow2Unmapper(Qcow2Guest guest, Qcow2Writer writer)
{
    private const int ZeroBufferBytes = 64 * 1024;

    private readonly Qcow2Metadata _metadata = guest.Metadata;
    private readonly Qcow2Geometry _geometry = guest.Metadata.Geometry;
    private readonly bool _hasDataFile = guest.Metadata.Header.HasDataFile;
    private readonly PendingFrees _dataPlaces = new();

    /// <summary>
    /// Makes a range read as zeros: whole subclusters, and those that are empty around it, by their entries; the rest by writing zeros (refused with
    /// <see cref="WriteFlags.NoFallback"/>). <paramref name="diskEnd"/> is where the disk ends: its last cluster counts as whole.
    /// </summary>
    internal async ValueTask WriteZeroesAsync(long offset, long lengthBytes, WriteFlags flags, long diskEnd, CancellationToken cancellation)
    {
        _metadata.CheckWritable();
        if (lengthBytes == 0) return;
        try
        {
            if (_metadata.Header.IsDataFileRaw && _hasDataFile)
                await _metadata.DataFile!.WriteZeroesAsync(offset, lengthBytes, flags & ~WriteFlags.Durable, cancellation).ConfigureAwait(false);
            for (long end = offset + lengthBytes; offset < end;) offset = await ZeroNextAsync(offset, end, flags, diskEnd, cancellation).ConfigureAwait(false);
            if (_metadata.WantsCommit) await _metadata.CommitAsync(cancellation).ConfigureAwait(false);
        }
        catch (Qcow2CorruptException e)
        {
            throw await _metadata.SignalCorruptionAsync(e).ConfigureAwait(false);
        }
    }

    /// <summary>
    /// Gives whole clusters of a range up; they read as zeros. Without zero clusters (version 2) nothing is done over a backing image, which would show.
    /// </summary>
    internal async ValueTask DiscardAsync(long offset, long lengthBytes, long diskEnd, CancellationToken cancellation)
    {
        _metadata.CheckWritable();
        long end = offset + lengthBytes, unit = _geometry.ClusterBytes;
        long first = (offset + unit - 1) & -unit, last = end == diskEnd ? (end + unit - 1) & -unit : end & -unit;
        if (first >= last || (!_geometry.HasZeroClusters && _metadata.Header.BackingName is not null)) return;
        await ChangeGuardedAsync(first, last, Change.Discard, cancellation).ConfigureAwait(false);
    }

    /// <summary>Makes clusters unallocated, so that what lies below shows.</summary>
    internal ValueTask DropAsync(long offset, long end, CancellationToken cancellation) => ChangeGuardedAsync(offset, end, Change.Drop, cancellation);

    private async ValueTask ChangeGuardedAsync(long first, long last, Change change, CancellationToken cancellation)
    {
        try
        {
            _ = await ChangeAsync(first, last, change, cancellation).ConfigureAwait(false);
            if (_metadata.WantsCommit) await _metadata.CommitAsync(cancellation).ConfigureAwait(false);
        }
        catch (Qcow2CorruptException e)
        {
            throw await _metadata.SignalCorruptionAsync(e).ConfigureAwait(false);
        }
    }

    // Zeroes the next part of a range. Returns where it ends.
    private async ValueTask<long> ZeroNextAsync(long offset, long end, WriteFlags flags, long diskEnd, CancellationToken cancellation)
    {
        long unit = 1L << _geometry.SubclusterBits, start = offset & -unit, unitEnd = start + unit;
        if (!_geometry.HasZeroClusters)
        {
            unitEnd = Math.Min(end, (offset & -(long)_geometry.ClusterBytes) + _geometry.ClusterBytes);
            // What a backing image shows is not this image's own: zeros that were asked for must stay when it is exchanged.
            if (_metadata.Header.BackingName is not null || !await writer.IsZeroAsync(offset, unitEnd - offset).ConfigureAwait(false)) await WriteZeroDataAsync(offset, unitEnd - offset, flags, cancellation).ConfigureAwait(false);
            return unitEnd;
        }
        Change change = (flags & WriteFlags.MayUnmap) != 0 ? Change.ZeroAndUnmap : Change.Zero;
        if (offset == start && (end >= unitEnd || end == diskEnd))
        {
            long whole = end == diskEnd ? (end + unit - 1) & -unit : end & -unit;
            long reached = await ChangeAsync(offset, whole, change, cancellation).ConfigureAwait(false);
            if (reached != offset) return Math.Min(reached, end);
        }
        long partEnd = Math.Min(end, unitEnd), rest = Math.Min(unitEnd, diskEnd);
        // The entry can say it for all of the subcluster if all of it reads as zeros then.
        if (await writer.IsZeroAsync(start, offset - start).ConfigureAwait(false) && (partEnd >= rest || await writer.IsZeroAsync(partEnd, rest - partEnd).ConfigureAwait(false))
            && await ChangeAsync(start, unitEnd, Change.ZeroIfEmpty, cancellation).ConfigureAwait(false) == unitEnd) return partEnd;
        await WriteZeroDataAsync(offset, partEnd - offset, flags, cancellation).ConfigureAwait(false);
        return partEnd;
    }

    // Returns how far it came: to the end, or to a part of a compressed cluster, or of one that is not empty, which entries alone cannot change.
    private async ValueTask<long> ChangeAsync(long offset, long end, Change change, CancellationToken cancellation)
    {
        while (offset < end)
        {
            cancellation.ThrowIfCancellationRequested();
            Task? wait;
            AllocationInFlight? discarding = null;
            List<PendingFree>? places = null;
            MetadataMissKind kind;
            long key, done;
            bool taken;
            lock (_metadata.Sync)
            {
                taken = TryChange(offset, end, change, out done, out AllocationInFlight? other);
                wait = other?.Ended;
                (kind, key) = (_metadata.Miss.Kind, _metadata.Miss.Key);
                if (_dataPlaces.Clusters != 0)
                {
                    // In a data file the place stays the disk's: a write that comes meanwhile must land after the discard.
                    places = _dataPlaces.Take();
                    discarding = _metadata.InFlight.Add(offset >> _geometry.ClusterBits, ((done - 1) >> _geometry.ClusterBits) + 1);
                }
            }
            if (discarding is not null) await DiscardPlacesAsync(places!, discarding).ConfigureAwait(false);
            if (wait is not null) await wait.ConfigureAwait(false);
            else if (!taken) await _metadata.ResolveAsync(kind, key).ConfigureAwait(false);
            else if (done == 0) return offset;
            offset += done;
            // A range may be as long as the disk: what it gives up must not pile up.
            if (taken && _metadata.WantsCommit) await _metadata.CommitAsync(cancellation).ConfigureAwait(false);
        }
        return offset;
    }

    private async ValueTask DiscardPlacesAsync(List<PendingFree> places, AllocationInFlight part)
    {
        try
        {
            foreach (PendingFree place in places)
                if (_metadata.Settings.PassesDiscard(place.Reason)) await _metadata.DiscardAsync(_metadata.DataNode, place.First, place.Count).ConfigureAwait(false);
        }
        finally
        {
            lock (_metadata.Sync) _metadata.InFlight.End(part);
        }
    }

    // Changes the entries of one slice. Under the lock.
    private bool TryChange(long offset, long end, Change change, out long done, out AllocationInFlight? wait)
    {
        (done, wait) = (0, null);
        long first = offset >> _geometry.ClusterBits;
        end = Math.Min(end, ((first >> _geometry.L2SliceBits) + 1) << (_geometry.L2SliceBits + _geometry.ClusterBits));
        long count = ((end - 1) >> _geometry.ClusterBits) - first + 1;
        wait = writer.Planner.MustWait(first, ref count);
        if (wait is not null) return true;
        end = Math.Min(end, (first + count) << _geometry.ClusterBits);
        if (!_metadata.L2.TrySlice(offset, out CachedSlice? slice)) return false;
        if (slice is null && !NeedsEntry(change))
        {
            done = end - offset;
            return true;
        }
        if (!writer.Planner.TryBeginChange() || !writer.Planner.TryPrepare(offset, out slice)) return false;
        for (long at = offset; at < end;)
        {
            long clusterEnd = Math.Min(end, ((at >> _geometry.ClusterBits) + 1) << _geometry.ClusterBits);
            int index = _metadata.L2.IndexOf(at), subcluster = _geometry.InCluster(at) >> _geometry.SubclusterBits, subclusters = (int)((clusterEnd - at) >> _geometry.SubclusterBits);
            L2Entry old = _metadata.L2.GetChecked(slice!, index, at);
            if (old.IsCompressed && subclusters != _geometry.SubclusterCount) break;
            if (change == Change.ZeroIfEmpty && old.KindOf(subcluster, _geometry.IsExtended, _hasDataFile) is SubclusterKind.Data or SubclusterKind.Compressed) break;
            L2Entry now = Changed(old, change, subcluster, subclusters);
            if (now != old)
            {
                _metadata.L2.Set(slice!, index, now);
                bool leaves = old.HasPlace(_hasDataFile) && !now.HasPlace(_hasDataFile);
                if (leaves && _hasDataFile) _dataPlaces.Add(old.HostOffset >> _geometry.ClusterBits, 1, FreeReason.Discard);
                else if (old.IsCompressed || leaves) writer.Planner.Release(old, FreeReason.Discard);
            }
            at = clusterEnd;
            done = at - offset;
        }
        return true;
    }

    // An entry that is not there reads as what lies below, or as zeros.
    private bool NeedsEntry(Change change) => change switch
    {
        Change.Drop => false,
        Change.Discard => guest.Backing is not null || _metadata.Header.BackingName is not null,
        _ => true,
    };

    private L2Entry Changed(L2Entry old, Change change, int subcluster, int count)
    {
        bool whole = count == _geometry.SubclusterCount, has = old.HasPlace(_hasDataFile);
        switch (change)
        {
            case Change.Drop:
                return default;
            case Change.Discard when !old.IsCompressed && !has && !NeedsEntry(change):
                return old;
            case Change.Discard when _geometry.IsExtended:
                return new(0, 0xffff_ffff_0000_0000);
            case Change.Discard:
                return new(_geometry.HasZeroClusters ? Qcow2Limits.ZeroFlag : 0, 0);
        }
        bool unmap = old.IsCompressed || (change == Change.ZeroAndUnmap && has && whole);
        if (!_geometry.IsExtended) return new(unmap ? Qcow2Limits.ZeroFlag : old.Word | Qcow2Limits.ZeroFlag, 0);
        uint bits = L2Entry.Bits(subcluster, count);
        if (whole) return new(unmap ? 0 : old.Word, 0xffff_ffff_0000_0000);
        return old with { Bitmap = ((ulong)(old.Zeros | bits) << 32) | (old.Allocated & ~bits) };
    }

    private async ValueTask WriteZeroDataAsync(long offset, long lengthBytes, WriteFlags flags, CancellationToken cancellation)
    {
        if ((flags & WriteFlags.NoFallback) != 0) throw new BlockIoException("Zeroes could only be written as data.", BlockIoException.Enotsup);
        NativeBuffer zeros = guest.Buffers.Rent(Math.Min(lengthBytes, ZeroBufferBytes));
        try
        {
            zeros.Span.Clear();
            while (lengthBytes != 0)
            {
                // Cluster by cluster, so that parts of clusters stay parts.
                int chunk = (int)Math.Min(Math.Min(lengthBytes, zeros.LengthBytes), _geometry.ClusterBytes - _geometry.InCluster(offset));
                await writer.WriteAsync(offset, new IoVector(new[] { zeros.Segment(0, chunk) }), cancellation).ConfigureAwait(false);
                offset += chunk;
                lengthBytes -= chunk;
            }
        }
        finally
        {
            guest.Buffers.Return(zeros);
        }
    }

    private enum Change
    {
        // The entry reads as zeros and keeps its place.
        Zero,

        // The same, of a subcluster that reads as zeros already except for what was asked.
        ZeroIfEmpty,

        // The entry reads as zeros and has no place.
        ZeroAndUnmap,

        // The guest does not need it: zeros without a place.
        Discard,

        // Nothing: what lies below shows.
        Drop,
    }
}
