using System;
using System.Buffers.Binary;
using System.Collections.Generic;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Graph;

namespace Hutch.Block.Formats.Qcow2;

/// <summary>
/// Makes a refcount structure anew from the references that were counted, in clusters that nothing uses; the header names it when all of it is durable,
/// so that a crash leaves the old one.
/// </summary>
internal sealed class RefcountRebuild(CheckState state)
{
    private readonly Qcow2Geometry _geometry = state.Geometry;
    private readonly SortedDictionary<long, long> _blocks = [];
    private long _firstFree;

    /// <summary>Writes the structure and makes the header name it. Throws <see cref="BlockIoException"/>.</summary>
    internal async ValueTask RunAsync()
    {
        Qcow2Metadata metadata = state.Metadata;
        Plan();
        long entries = 0, tableClusters, table;
        do
        {
            foreach (long block in _blocks.Keys) entries = Math.Max(entries, block + 1);
            tableClusters = _geometry.ClustersFor(entries * 8);
            if (tableClusters << _geometry.ClusterBits > Qcow2Limits.MaxRefcountTableBytes)
                throw new BlockIoException("The image's refcount table would be too large.", BlockIoException.Efbig);
            table = Find(0, tableClusters);
        }
        while (Cover(table, tableClusters));
        for (long i = 0; i < tableClusters; i++) Use(table + i);
        ulong[] words = new ulong[tableClusters << (_geometry.ClusterBits - 3)];
        byte[] bytes = new byte[_geometry.ClusterBytes];
        foreach ((long block, long cluster) in _blocks)
        {
            words[block] = (ulong)(cluster << _geometry.ClusterBits);
            Array.Clear(bytes);
            long first = block << _geometry.RefcountBlockBits;
            for (int i = 0; i < 1 << _geometry.RefcountBlockBits && first + i < state.References.Clusters; i++)
                if (state.References.Get(first + i) is var count and not 0) RefcountWidth.Set(bytes, i, _geometry.RefcountOrder, count);
            await metadata.File.WriteBytesAsync(cluster << _geometry.ClusterBits, bytes, WriteFlags.None, CancellationToken.None).ConfigureAwait(false);
        }
        for (long i = 0; i < tableClusters; i++)
        {
            for (int j = 0; j < bytes.Length / 8; j++) BinaryPrimitives.WriteUInt64BigEndian(bytes.AsSpan(j * 8), words[(i * (bytes.Length / 8)) + j]);
            await metadata.File.WriteBytesAsync((table + i) << _geometry.ClusterBits, bytes, WriteFlags.None, CancellationToken.None).ConfigureAwait(false);
        }
        await metadata.File.FlushAsync(CancellationToken.None).ConfigureAwait(false);
        await metadata.UpdateHeaderAsync(header => header with { RefcountTableOffset = table << _geometry.ClusterBits, RefcountTableClusters = (int)tableClusters },
            CancellationToken.None).ConfigureAwait(false);
    }

    // A block for each part of the file that has references; blocks need refcounts too.
    private void Plan()
    {
        long perBlock = 1L << _geometry.RefcountBlockBits;
        for (long first = 0; first < state.References.Clusters; first += perBlock)
        {
            long count = Math.Min(perBlock, state.References.Clusters - first);
            if (state.References.IsEmpty(first, count)) continue;
            for (long i = 0; i < count; i++)
            {
                if (state.References.Get(first + i) == 0) continue;
                AddBlock(first >> _geometry.RefcountBlockBits);
                break;
            }
        }
    }

    private void AddBlock(long block)
    {
        while (_blocks.TryAdd(block, 0))
        {
            long at = Find(_firstFree, 1);
            _firstFree = at + 1;
            Use(at);
            _blocks[block] = at;
            block = at >> _geometry.RefcountBlockBits;
        }
    }

    // Adds blocks for a range; whether any was missing.
    private bool Cover(long first, long count)
    {
        int before = _blocks.Count;
        for (long block = first >> _geometry.RefcountBlockBits; block <= (first + count - 1) >> _geometry.RefcountBlockBits; block++) AddBlock(block);
        return _blocks.Count != before;
    }

    private long Find(long from, long count)
    {
        long first = from;
        for (long at = from; at - first < count; at++)
            if (state.References.Get(at) != 0) first = at + 1;
        return first;
    }

    private void Use(long cluster)
    {
        state.References.Grow(cluster + 1);
        state.References.Set(cluster, 1);
    }
}
