using System;
using System.Buffers.Binary;
using System.Collections.Generic;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Graph;
using Hutch.Block.Opening;

namespace Hutch.Block.Formats.Qcow2;

/// <summary>
/// Takes zero clusters out of an image, which version 2 does not have: they become empty, or zeros as data where a backing image would show. Tables of snapshots
/// are changed too, in place, as everybody who shares one reads the same. Tables are written past the cache, which is empty; no request is in flight.
/// </summary>
internal sealed class ZeroExpansion(Qcow2Metadata metadata)
{
    private readonly Qcow2Geometry _geometry = metadata.Geometry;
    private readonly bool _hasBacking = metadata.Header.BackingName is not null;
    private readonly byte[] _table = new byte[metadata.Geometry.ClusterBytes];
    private readonly HashSet<long> _done = [];
    private readonly List<(long Cluster, ulong References)> _left = [];

    /// <summary>Expands. Throws <see cref="ImageException"/> before anything is changed where a snapshot cannot be read.</summary>
    internal async ValueTask RunAsync(CancellationToken cancellation)
    {
        List<ulong[]> roots = [metadata.L2.L1];
        foreach (Qcow2Snapshot snapshot in metadata.Snapshots) roots.Add(await ReadAsync(snapshot, cancellation).ConfigureAwait(false));
        foreach (ulong[] l1 in roots)
        {
            foreach (ulong entry in l1)
            {
                cancellation.ThrowIfCancellationRequested();
                long offset = (long)(entry & Qcow2Limits.L1OffsetMask);
                if (offset != 0 && _done.Add(offset)) await ExpandAsync(offset).ConfigureAwait(false);
            }
        }
        // What entries named before is given up when none does any more.
        foreach ((long cluster, ulong references) in _left)
            for (ulong i = 0; i < references; i++) await ChangeAsync(cluster, -1).ConfigureAwait(false);
        await metadata.SettleAsync().ConfigureAwait(false);
    }

    private async ValueTask<ulong[]> ReadAsync(Qcow2Snapshot snapshot, CancellationToken cancellation)
    {
        try
        {
            return await Qcow2TableReader.ReadSnapshotL1Async(metadata.File, metadata.Header, snapshot, cancellation).ConfigureAwait(false);
        }
        catch (ImageException e)
        {
            throw new ImageException($"Failed to turn zero into data clusters: {ErrorText.Of(e.Errno ?? BlockIoException.Eio)}") { Errno = e.Errno, Before = e.Message };
        }
    }

    private async ValueTask ExpandAsync(long offset)
    {
        if (_geometry.InCluster(offset) != 0) throw new Qcow2CorruptException($"L2 table offset 0x{offset:x} unaligned");
        await metadata.File.ReadBytesAsync(offset, _table, CancellationToken.None).ConfigureAwait(false);
        ulong sharers = 0;
        bool changed = false;
        for (int i = 0; i < 1 << _geometry.L2Bits; i++)
        {
            L2Entry entry = new(BinaryPrimitives.ReadUInt64BigEndian(_table.AsSpan(i * 8)), 0);
            if (!entry.IsZero) continue;
            if (sharers == 0) sharers = Math.Max(1, await RefcountAsync(offset >> _geometry.ClusterBits).ConfigureAwait(false));
            ulong word = await ReplaceAsync(entry, sharers).ConfigureAwait(false);
            BinaryPrimitives.WriteUInt64BigEndian(_table.AsSpan(i * 8), word);
            changed = true;
        }
        if (!changed) return;
        // New clusters and their zeros are durable before an entry names them.
        await metadata.CommitAsync(withRefcounts: true, CancellationToken.None).ConfigureAwait(false);
        await metadata.File.WriteBytesAsync(offset, _table, WriteFlags.None, CancellationToken.None).ConfigureAwait(false);
        await metadata.File.FlushAsync(CancellationToken.None).ConfigureAwait(false);
    }

    // The entry that a zero cluster becomes. Its table has as many owners as sharers, and each counts a reference.
    private async ValueTask<ulong> ReplaceAsync(L2Entry entry, ulong sharers)
    {
        long place = entry.HostOffset;
        if (_geometry.InCluster(place) != 0) throw new Qcow2CorruptException($"Preallocated zero cluster offset 0x{place:x} unaligned");
        if (_hasBacking && place != 0 && await RefcountAsync(place >> _geometry.ClusterBits).ConfigureAwait(false) == sharers)
        {
            await ClearAsync(place).ConfigureAwait(false);
            return entry.Word & ~Qcow2Limits.ZeroFlag;
        }
        if (place != 0) _left.Add((place >> _geometry.ClusterBits, sharers));
        if (!_hasBacking) return 0;
        long first = 0;
        await metadata.TakeAsync(() =>
        {
            if (!metadata.Allocator.TryAllocate(1, out Allocation taken)) return false;
            first = taken.First;
            metadata.Overlaps.Check(first << _geometry.ClusterBits, _geometry.ClusterBytes);
            return true;
        }).ConfigureAwait(false);
        for (ulong i = 1; i < sharers; i++) await ChangeAsync(first, 1).ConfigureAwait(false);
        await ClearAsync(first << _geometry.ClusterBits).ConfigureAwait(false);
        return ((ulong)first << _geometry.ClusterBits) | (sharers == 1 ? Qcow2Limits.CopiedFlag : 0);
    }

    private async ValueTask ClearAsync(long offset)
    {
        await metadata.GrowFileAsync(offset + _geometry.ClusterBytes).ConfigureAwait(false);
        await metadata.File.WriteZeroesAsync(offset, _geometry.ClusterBytes, WriteFlags.None, CancellationToken.None).ConfigureAwait(false);
    }

    private async ValueTask<ulong> RefcountAsync(long cluster)
    {
        ulong refcount = 0;
        await metadata.TakeAsync(() => metadata.Refcounts.TryGet(cluster, out refcount)).ConfigureAwait(false);
        return refcount;
    }

    private ValueTask ChangeAsync(long cluster, int delta) => metadata.TakeAsync(() =>
    {
        if (!metadata.Refcounts.TryChange(cluster, delta, out ulong now)) return false;
        if (now == 0) metadata.Allocator.NoteFree(cluster);
        return true;
    });
}
