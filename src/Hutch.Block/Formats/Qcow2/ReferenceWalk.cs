using System;
using System.Buffers.Binary;
using System.Globalization;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Graph;

namespace Hutch.Block.Formats.Qcow2;

/// <summary>
/// Walks all clusters that an L1 table reaches: its L2 tables and what their entries name. Counts a reference more or less for each, and keeps the copied flags.
/// Tables are read and written past the cache, which is empty. No request is in flight.
/// </summary>
internal sealed class ReferenceWalk(Qcow2Metadata metadata)
{
    private readonly Qcow2Geometry _geometry = metadata.Geometry;
    private readonly byte[] _table = new byte[metadata.Geometry.ClusterBytes];
    private long _done, _limit = long.MaxValue;
    private int _index, _part;
    private bool _changed;
    private long _freeFirst, _freeCount;

    /// <summary>
    /// Counts one reference more to everything, and clears the copied flags. Where a refcount would be too large it takes everything back and
    /// throws <see cref="BlockIoException"/>.
    /// </summary>
    internal async ValueTask AddAsync(ulong[] l1, CancellationToken cancellation)
    {
        _done = 0;
        try
        {
            await WalkAsync(l1, 1, cancellation).ConfigureAwait(false);
        }
        catch (Exception e) when (e is BlockIoException or Qcow2CorruptException or OperationCanceledException)
        {
            (_limit, _done) = (_done, 0);
            await WalkAsync(l1, -1, CancellationToken.None).ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>Counts one reference less to everything, and gives what nobody has any more back to the storage. Nothing durable names the tables.</summary>
    internal ValueTask DropAsync(ulong[] l1) => WalkAsync(l1, -1, CancellationToken.None);

    /// <summary>Sets and clears the copied flags of the active tables as refcounts say.</summary>
    internal async ValueTask MarkCopiedAsync()
    {
        ulong[] l1 = metadata.L2.L1;
        bool changed = false;
        for (int i = 0; i < l1.Length; i++)
        {
            if (!await LoadAsync(l1, i).ConfigureAwait(false)) continue;
            ulong entry = l1[i];
            await metadata.TakeAsync(() => TryMark(ref entry)).ConfigureAwait(false);
            if (_changed) await metadata.File.WriteBytesAsync((long)(entry & Qcow2Limits.L1OffsetMask), _table, WriteFlags.None, CancellationToken.None).ConfigureAwait(false);
            if (entry == l1[i]) continue;
            l1[i] = entry;
            changed = true;
        }
        if (changed) await metadata.WriteWordsAsync(metadata.L2.L1Offset, l1).ConfigureAwait(false);
        await metadata.File.FlushAsync(CancellationToken.None).ConfigureAwait(false);
    }

    private async ValueTask WalkAsync(ulong[] l1, int delta, CancellationToken cancellation)
    {
        for (int i = 0; i < l1.Length && _done < _limit; i++)
        {
            cancellation.ThrowIfCancellationRequested();
            if (!await LoadAsync(l1, i).ConfigureAwait(false)) continue;
            long offset = (long)(l1[i] & Qcow2Limits.L1OffsetMask);
            bool ended = false;
            while (!ended)
            {
                await metadata.TakeAsync(() => TryCount(offset, delta, out ended)).ConfigureAwait(false);
                await DiscardFreedAsync().ConfigureAwait(false);
            }
            if (_changed && delta > 0) await metadata.File.WriteBytesAsync(offset, _table, WriteFlags.None, CancellationToken.None).ConfigureAwait(false);
            if (metadata.WantsCommit) await metadata.CommitAsync(withRefcounts: true, CancellationToken.None).ConfigureAwait(false);
        }
    }

    private async ValueTask<bool> LoadAsync(ulong[] l1, int index)
    {
        ulong offset = l1[index] & Qcow2Limits.L1OffsetMask;
        (_index, _part, _changed) = (-1, 0, false);
        if (offset == 0) return false;
        if (_geometry.InCluster((long)offset) != 0)
            throw new Qcow2CorruptException(string.Create(CultureInfo.InvariantCulture, $"L2 table offset 0x{offset:x} unaligned (L1 index: 0x{index:x})"));
        await metadata.File.ReadBytesAsync((long)offset, _table, CancellationToken.None).ConfigureAwait(false);
        return true;
    }

    // Goes on where it stopped, at the table itself (-1) first. Stops early when a run of freed clusters ends, for its discard.
    private bool TryCount(long tableOffset, int delta, out bool ended)
    {
        int entries = 1 << _geometry.L2Bits;
        ended = false;
        for (; _index < entries; _index++, _part = 0)
        {
            long first, count;
            if (_index < 0)
            {
                (first, count) = (tableOffset >> _geometry.ClusterBits, 1);
            }
            else if (!TryFindClusters(out first, out count))
            {
                continue;
            }
            for (; _part < count; _part++)
            {
                if (_done >= _limit)
                {
                    ended = true;
                    return true;
                }
                long cluster = first + _part;
                if (!metadata.Refcounts.TryGet(cluster, out ulong before)) return false;
                if (before == 0) throw Missing(cluster);
                if (delta < 0 && before == 1 && _freeCount != 0 && cluster != _freeFirst + _freeCount) return true;
                if (!metadata.Refcounts.TryChange(cluster, delta, out ulong now)) return false;
                _done++;
                if (now == 0) NoteFree(cluster);
            }
            if (delta > 0 && _index >= 0) ClearCopied();
        }
        ended = true;
        return true;
    }

    private bool TryMark(ref ulong l1Entry)
    {
        if (_index < 0)
        {
            if (!TryFlag(ref l1Entry, (long)(l1Entry & Qcow2Limits.L1OffsetMask))) return false;
            _index = 0;
        }
        for (; _index < 1 << _geometry.L2Bits; _index++)
        {
            Span<byte> at = _table.AsSpan(_index << _geometry.EntryBits);
            ulong word = BinaryPrimitives.ReadUInt64BigEndian(at), old = word;
            if ((word & Qcow2Limits.L2OffsetMask) == 0 || (word & Qcow2Limits.CompressedFlag) != 0) continue;
            if (!TryFlag(ref word, (long)(word & Qcow2Limits.L2OffsetMask))) return false;
            if (word == old) continue;
            BinaryPrimitives.WriteUInt64BigEndian(at, word);
            _changed = true;
        }
        return true;
    }

    private bool TryFlag(ref ulong word, long offset)
    {
        if (!metadata.Refcounts.TryGet(offset >> _geometry.ClusterBits, out ulong refcount)) return false;
        word = refcount == 1 ? word | Qcow2Limits.CopiedFlag : word & ~Qcow2Limits.CopiedFlag;
        return true;
    }

    private bool TryFindClusters(out long first, out long count)
    {
        (first, count) = (0, 0);
        L2Entry entry = new(BinaryPrimitives.ReadUInt64BigEndian(_table.AsSpan(_index << _geometry.EntryBits)), 0);
        if (entry.Word == 0) return false;
        if (entry.IsCompressed)
        {
            (long offset, int length) = entry.Descriptor(_geometry);
            first = offset >> _geometry.ClusterBits;
            count = ((offset + length - 1) >> _geometry.ClusterBits) - first + 1;
            return true;
        }
        if (entry.HostOffset == 0) return false;
        if (_geometry.InCluster(entry.HostOffset) != 0)
            throw new Qcow2CorruptException(string.Create(CultureInfo.InvariantCulture, $"Cluster allocation offset 0x{entry.HostOffset:x} unaligned (L2 index: 0x{_index:x})"));
        (first, count) = (entry.HostOffset >> _geometry.ClusterBits, 1);
        return true;
    }

    private void ClearCopied()
    {
        ref byte flags = ref _table[_index << _geometry.EntryBits];
        if ((flags & 0x80) == 0) return;
        flags &= 0x7f;
        _changed = true;
    }

    // Under the lock. Nobody takes clusters meanwhile, so that the discard of a whole run can follow.
    private void NoteFree(long cluster)
    {
        metadata.Allocator.ForgetBytesIn(cluster);
        metadata.Allocator.NoteFree(cluster);
        if (_freeCount == 0) _freeFirst = cluster;
        _freeCount++;
    }

    private async ValueTask DiscardFreedAsync()
    {
        if (_freeCount == 0) return;
        (long first, long count) = (_freeFirst, _freeCount);
        _freeCount = 0;
        if (metadata.Settings.PassesDiscard(FreeReason.Snapshot)) await metadata.DiscardAsync(metadata.File, first, count).ConfigureAwait(false);
    }

    private Exception Missing(long cluster)
    {
        string text = string.Create(CultureInfo.InvariantCulture, $"Cluster at offset 0x{cluster << _geometry.ClusterBits:x} is in use but has no refcount");
        long block = cluster >> _geometry.RefcountBlockBits;
        // No refcount block can be there, or none is: the entry names a place far behind the file's end.
        if (block >= Qcow2Limits.MaxRefcountTableBytes / 8) return new BlockIoException(text, BlockIoException.Efbig);
        return metadata.Refcounts.BlockOffset(block) == 0 ? new BlockIoException(text, BlockIoException.Eagain) : new Qcow2CorruptException(text, isFatal: false);
    }
}
