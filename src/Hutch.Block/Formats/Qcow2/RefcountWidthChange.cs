using System;
using System.Buffers.Binary;
using System.Collections.Generic;
using System.Globalization;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Graph;

namespace Hutch.Block.Formats.Qcow2;

/// <summary>
/// Writes an image's refcounts in another width: a new structure in clusters that are free, which the header names when all of it is durable, so that a crash
/// leaves the old one. Nothing may be dirty or in flight; afterwards the metadata in memory is outdated.
/// </summary>
internal sealed class RefcountWidthChange(Qcow2Metadata metadata, int order, Action<double>? progress)
{
    // A walk that finds what is needed, one that finds nothing more, and one that writes.
    private const int LeastWalks = 3;

    private readonly Qcow2Geometry _geometry = metadata.Geometry;
    private readonly int _blockBits = metadata.Geometry.ClusterBits + 3 - order;
    private readonly SortedDictionary<long, long> _blocks = [];
    private readonly HashSet<long> _old = [], _new = [];
    private readonly byte[] _oldBlock = new byte[metadata.Geometry.ClusterBytes];
    private long _oldIndex = -1, _nextFree, _table, _tableClusters;

    /// <summary>Changes the width. Throws <see cref="ImageException"/> where a refcount does not fit, before anything is changed.</summary>
    internal async ValueTask RunAsync(CancellationToken cancellation)
    {
        NoteOldStructure();
        await FindBlocksAsync(cancellation).ConfigureAwait(false);
        await PlaceTableAsync().ConfigureAwait(false);
        int walks = 1, expected = LeastWalks;
        progress?.Invoke((double)walks / expected);
        while (true)
        {
            bool complete = !await CoverNewAsync().ConfigureAwait(false);
            progress?.Invoke((double)++walks / expected);
            if (complete) break;
            progress?.Invoke((double)walks / ++expected);
        }
        await WriteAsync().ConfigureAwait(false);
        progress?.Invoke(1);
    }

    private void NoteOldStructure()
    {
        long first = metadata.Refcounts.TableOffset >> _geometry.ClusterBits, count = _geometry.ClustersFor((long)metadata.Refcounts.Table.Length * 8);
        for (long i = 0; i < count; i++) _old.Add(first + i);
        for (long block = 0; block < metadata.Refcounts.Table.Length; block++)
            if (metadata.Refcounts.BlockOffset(block) is var offset and not 0) _old.Add(offset >> _geometry.ClusterBits);
    }

    // The first walk: a block for each part of the file that is in use.
    private async ValueTask FindBlocksAsync(CancellationToken cancellation)
    {
        ulong max = RefcountWidth.Max(order);
        for (long block = 0; block < metadata.Refcounts.Table.Length; block++)
        {
            cancellation.ThrowIfCancellationRequested();
            if (metadata.Refcounts.BlockOffset(block) == 0) continue;
            for (int i = 0; i < 1 << _geometry.RefcountBlockBits; i++)
            {
                long cluster = (block << _geometry.RefcountBlockBits) + i;
                ulong refcount = await OldRefcountAsync(cluster).ConfigureAwait(false);
                if (refcount == 0 || _old.Contains(cluster)) continue;
                if (refcount > max)
                {
                    throw new ImageException(string.Create(CultureInfo.InvariantCulture,
                        $"Cannot decrease refcount entry width to {1 << order} bits: Cluster at offset 0x{cluster << _geometry.ClusterBits:x} has a refcount of {refcount}"));
                }
                await AddBlockAsync(cluster >> _blockBits).ConfigureAwait(false);
            }
        }
    }

    // Blocks for the clusters of the new structure itself, and a table that is long enough; whether anything was missing.
    private async ValueTask<bool> CoverNewAsync()
    {
        int before = _blocks.Count;
        foreach (long cluster in (long[])[.. _new]) await AddBlockAsync(cluster >> _blockBits).ConfigureAwait(false);
        return await PlaceTableAsync().ConfigureAwait(false) || _blocks.Count != before;
    }

    private async ValueTask AddBlockAsync(long block)
    {
        if (_blocks.ContainsKey(block)) return;
        long at = await FindFreeAsync(1).ConfigureAwait(false);
        _blocks.Add(block, at);
        _new.Add(at);
    }

    private async ValueTask<bool> PlaceTableAsync()
    {
        long last = 0;
        foreach (long block in _blocks.Keys) last = block;
        long needed = _geometry.ClustersFor((last + 1) * 8);
        if (needed <= _tableClusters) return false;
        if (needed << _geometry.ClusterBits > Qcow2Limits.MaxRefcountTableBytes) throw new ImageException("The refcount table would be too large; use narrower refcounts");
        for (long i = 0; i < _tableClusters; i++) _new.Remove(_table + i);
        (_table, _tableClusters) = (await FindFreeAsync(needed).ConfigureAwait(false), needed);
        for (long i = 0; i < needed; i++) _new.Add(_table + i);
        return true;
    }

    private async ValueTask<long> FindFreeAsync(long count)
    {
        long first = _nextFree, at = first;
        while (at - first < count)
        {
            if (await OldRefcountAsync(at).ConfigureAwait(false) != 0) first = at + 1;
            at++;
        }
        _nextFree = at;
        return first;
    }

    private async ValueTask<ulong> OldRefcountAsync(long cluster)
    {
        long block = cluster >> _geometry.RefcountBlockBits;
        if (block != _oldIndex)
        {
            long offset = metadata.Refcounts.BlockOffset(block);
            if (offset == 0) return 0;
            await metadata.File.ReadBytesAsync(offset, _oldBlock, CancellationToken.None).ConfigureAwait(false);
            _oldIndex = block;
        }
        return RefcountWidth.Get(_oldBlock, (int)(cluster & ((1L << _geometry.RefcountBlockBits) - 1)), _geometry.RefcountOrder);
    }

    private async ValueTask WriteAsync()
    {
        byte[] bytes = new byte[_geometry.ClusterBytes];
        ulong[] table = new ulong[_tableClusters << (_geometry.ClusterBits - 3)];
        foreach ((long block, long at) in _blocks)
        {
            table[block] = (ulong)at << _geometry.ClusterBits;
            Array.Clear(bytes);
            for (int i = 0; i < 1 << _blockBits; i++)
            {
                long cluster = (block << _blockBits) + i;
                ulong refcount = _new.Contains(cluster) ? 1 : _old.Contains(cluster) ? 0 : await OldRefcountAsync(cluster).ConfigureAwait(false);
                if (refcount != 0) RefcountWidth.Set(bytes, i, order, refcount);
            }
            await metadata.File.WriteBytesAsync(at << _geometry.ClusterBits, bytes, WriteFlags.None, CancellationToken.None).ConfigureAwait(false);
        }
        for (long i = 0; i < _tableClusters; i++)
        {
            for (int j = 0; j < bytes.Length / 8; j++) BinaryPrimitives.WriteUInt64BigEndian(bytes.AsSpan(j * 8), table[(i * (bytes.Length / 8)) + j]);
            await metadata.File.WriteBytesAsync((_table + i) << _geometry.ClusterBits, bytes, WriteFlags.None, CancellationToken.None).ConfigureAwait(false);
        }
        await metadata.File.FlushAsync(CancellationToken.None).ConfigureAwait(false);
        // One write, in which the fields lie close together.
        await metadata.UpdateHeaderAsync(header => header with
        {
            RefcountOrder = order, RefcountTableOffset = _table << _geometry.ClusterBits, RefcountTableClusters = (int)_tableClusters,
        }, CancellationToken.None).ConfigureAwait(false);
        metadata.MarkOutdated();
    }
}
