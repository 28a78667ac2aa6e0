using System;
using System.Buffers.Binary;
using System.Collections.Immutable;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Graph;

namespace Hutch.Block.Formats.Qcow2;

/// <summary>The first part of a check: counts the references of all metadata to clusters, and judges entries by themselves.</summary>
internal sealed class CheckReferences(CheckState state, ulong[] l1, ulong[] refcountTable, ImmutableArray<Qcow2Snapshot> snapshots, long snapshotTableBytes)
{
    private readonly Qcow2Metadata _metadata = state.Metadata;
    private readonly Qcow2Geometry _geometry = state.Geometry;
    private readonly bool _hasDataFile = state.Metadata.Header.HasDataFile;
    private readonly byte[] _table = new byte[state.Geometry.ClusterBytes];

    /// <summary>Counts. <paramref name="mends"/> allows to change entries that are wrong by themselves.</summary>
    internal async ValueTask CountAsync(bool mends, CancellationToken cancellation)
    {
        Qcow2Header header = _metadata.Header;
        state.References.Grow(_geometry.ClustersFor(_metadata.File.LengthBytes));
        (state.Allocated, state.Fragmented, state.Compressed) = (0, 0, 0);
        state.Refer(0, _geometry.ClusterBytes);
        state.Refer(header.L1Offset, (long)l1.Length * 8);
        await CountTableAsync(l1, isActive: true, mends, cancellation).ConfigureAwait(false);
        await CountSnapshotsAsync(mends, cancellation).ConfigureAwait(false);
        state.Refer(header.SnapshotsOffset, snapshotTableBytes);
        state.Refer(header.RefcountTableOffset, (long)header.RefcountTableClusters << _geometry.ClusterBits);
        if (header.CryptoHeader is { } crypto) state.Refer(crypto.Offset, crypto.LengthBytes);
        if (header.Bitmaps is { } bitmaps) await CountBitmapsAsync(bitmaps, cancellation).ConfigureAwait(false);
        await CountRefcountBlocksAsync(mends, cancellation).ConfigureAwait(false);
    }

    private async ValueTask CountSnapshotsAsync(bool mends, CancellationToken cancellation)
    {
        if (_hasDataFile && snapshots.Length != 0) state.Corrupt($"ERROR {snapshots.Length} snapshots in image with data file");
        foreach (Qcow2Snapshot snapshot in snapshots)
        {
            if (_geometry.InCluster(snapshot.L1Offset) != 0)
            {
                state.Corrupt($"ERROR snapshot {snapshot.Info.Id} ({snapshot.Info.Name}) l1_offset=0x{snapshot.L1Offset:x}: L1 table is not cluster aligned; snapshot table entry corrupted");
                continue;
            }
            if (snapshot.L1Entries > Qcow2Limits.MaxL1Bytes / 8)
            {
                state.Corrupt($"ERROR snapshot {snapshot.Info.Id} ({snapshot.Info.Name}) l1_size=0x{snapshot.L1Entries:x}: L1 table is too large; snapshot table entry corrupted");
                continue;
            }
            try
            {
                state.Refer(snapshot.L1Offset, (long)snapshot.L1Entries * 8);
                await foreach (ReadOnlyMemory<ulong> part in Qcow2TableReader.ReadPartsAsync(_metadata.File, snapshot.L1Offset, snapshot.L1Entries, "", cancellation).ConfigureAwait(false))
                    await CountTableAsync(part, isActive: false, mends, cancellation).ConfigureAwait(false);
            }
            catch (ImageException)
            {
                state.CheckErrors++;
                state.Say($"ERROR: I/O error in check_refcounts_l1");
            }
        }
    }

    private async ValueTask CountTableAsync(ReadOnlyMemory<ulong> table, bool isActive, bool mends, CancellationToken cancellation)
    {
        for (int i = 0; i < table.Length; i++)
        {
            ulong entry = table.Span[i];
            if (entry == 0) continue;
            cancellation.ThrowIfCancellationRequested();
            if ((entry & Qcow2Limits.L1ReservedMask) != 0) state.Corrupt($"ERROR found L1 entry with reserved bits set: {entry:x}");
            long l2 = (long)(entry & Qcow2Limits.L1OffsetMask);
            state.Refer(l2, _geometry.ClusterBytes);
            if (_geometry.InCluster(l2) != 0)
            {
                state.Corrupt($"ERROR l2_offset={l2:x}: Table is not cluster aligned; L1 entry corrupted");
                continue;
            }
            if (!await ReadAsync(l2, "check_refcounts_l2", cancellation).ConfigureAwait(false)) continue;
            bool changed = CountEntries(isActive, mends);
            if (changed) await _metadata.File.WriteBytesAsync(l2, _table, WriteFlags.None, CancellationToken.None).ConfigureAwait(false);
        }
    }

    private async ValueTask<bool> ReadAsync(long offset, string where, CancellationToken cancellation)
    {
        try
        {
            await _metadata.File.ReadBytesAsync(offset, _table, cancellation).ConfigureAwait(false);
            return true;
        }
        catch (BlockIoException)
        {
            state.CheckErrors++;
            state.Say($"ERROR: I/O error in {where}");
            return false;
        }
    }

    // Counts what the L2 table in memory names. Returns whether an entry was mended.
    private bool CountEntries(bool isActive, bool mends)
    {
        long next = 0;
        bool changed = false;
        for (int i = 0; i < 1 << _geometry.L2Bits; i++)
        {
            Span<byte> at = _table.AsSpan(i << _geometry.EntryBits);
            L2Entry entry = new(BinaryPrimitives.ReadUInt64BigEndian(at), _geometry.IsExtended ? BinaryPrimitives.ReadUInt64BigEndian(at[8..]) : 0);
            if (entry == default) continue;
            if (entry.IsCompressed)
            {
                CountCompressed(entry, i, isActive);
                continue;
            }
            if ((entry.Word & Qcow2Limits.L2ReservedMask) != 0) state.Corrupt($"ERROR found l2 entry with reserved bits set: {entry.Word:x}");
            if (!entry.HasPlace(_hasDataFile))
            {
                if (entry.Allocated != 0) state.Corrupt($"ERROR: Unallocated cluster has non-zero subcluster allocation map");
                continue;
            }
            if ((entry.Allocated & entry.Zeros) != 0)
            {
                state.Corrupt($"ERROR offset={entry.HostOffset:x}: Allocated cluster has corrupted subcluster allocation bitmap");
                continue;
            }
            if (_geometry.InCluster(entry.HostOffset) != 0 && IsMended(entry, at, mends))
            {
                changed = true;
                continue;
            }
            if (isActive)
            {
                state.Allocated++;
                if (next != 0 && entry.HostOffset != next) state.Fragmented++;
                next = entry.HostOffset + _geometry.ClusterBytes;
            }
            if (!_hasDataFile) state.Refer(entry.HostOffset, _geometry.ClusterBytes);
        }
        return changed;
    }

    private bool IsMended(L2Entry entry, Span<byte> at, bool mends)
    {
        bool hasData = _geometry.IsExtended ? entry.Allocated != 0 : !entry.IsZero;
        if (hasData)
        {
            state.Corrupt($"ERROR offset={entry.HostOffset:x}: Data cluster is not properly aligned; L2 entry corrupted.");
            return false;
        }
        state.Say($"{(mends ? "Repairing" : "ERROR")} offset={entry.HostOffset:x}: Preallocated cluster is not properly aligned; L2 entry corrupted.");
        if (!mends)
        {
            state.Corruptions++;
            return false;
        }
        // It reads as zeros (of subclusters: as these say) and has no place any more.
        BinaryPrimitives.WriteUInt64BigEndian(at, _geometry.IsExtended ? 0 : Qcow2Limits.ZeroFlag);
        state.CorruptionsFixed++;
        return true;
    }

    private void CountCompressed(L2Entry entry, int index, bool isActive)
    {
        if (entry.IsCopied)
        {
            state.Corrupt($"ERROR: coffset=0x{entry.HostOffset:x}: copied flag must never be set for compressed clusters");
            entry = entry with { Word = entry.Word & ~Qcow2Limits.CopiedFlag };
        }
        if (_hasDataFile)
        {
            state.Corrupt($"ERROR compressed cluster {index} with data file, entry=0x{entry.Word:x}");
            return;
        }
        if (entry.Bitmap != 0)
        {
            state.Corrupt($"ERROR compressed cluster {index} with non-zero subcluster allocation bitmap, entry=0x{entry.Word:x}");
            return;
        }
        (long offset, int length) = entry.Descriptor(_geometry);
        state.Refer(offset, length);
        if (!isActive) return;
        state.Allocated++;
        state.Compressed++;
        state.Fragmented++;
    }

    private async ValueTask CountBitmapsAsync(Qcow2BitmapExtension extension, CancellationToken cancellation)
    {
        state.Refer(extension.Directory.Offset, extension.Directory.LengthBytes);
        ImmutableArray<Qcow2BitmapEntry> entries;
        try
        {
            entries = await Qcow2BitmapDirectory.ReadAsync(_metadata.File, _metadata.Header, cancellation).ConfigureAwait(false);
        }
        catch (ImageException)
        {
            state.Corruptions++;
            return;
        }
        foreach (Qcow2BitmapEntry bitmap in entries)
        {
            state.Refer(bitmap.TableOffset, (long)bitmap.TableEntries * 8);
            try
            {
                await foreach (ReadOnlyMemory<ulong> part in Qcow2TableReader.ReadPartsAsync(_metadata.File, bitmap.TableOffset, bitmap.TableEntries, "", cancellation).ConfigureAwait(false))
                    CountBitmap(part.Span);
            }
            catch (ImageException)
            {
                state.Corruptions++;
            }
        }
    }

    private void CountBitmap(ReadOnlySpan<ulong> table)
    {
        foreach (ulong entry in table)
        {
            if (!Qcow2BitmapDirectory.IsValid(entry, _geometry)) state.Corruptions++;
            else if ((long)(entry & Qcow2Limits.L1OffsetMask) is var offset and not 0) state.Refer(offset, _geometry.ClusterBytes);
        }
    }

    private async ValueTask CountRefcountBlocksAsync(bool mends, CancellationToken cancellation)
    {
        for (int i = 0; i < refcountTable.Length; i++)
        {
            ulong entry = refcountTable[i], offset = entry & Qcow2Limits.RefcountTableOffsetMask;
            if (entry == 0) continue;
            cancellation.ThrowIfCancellationRequested();
            if (entry != offset)
            {
                state.Corrupt($"ERROR refcount table entry {i} has reserved bits set");
                state.MustRebuild = true;
                continue;
            }
            if ((offset & (ulong)(_geometry.ClusterBytes - 1)) != 0)
            {
                state.Corrupt($"ERROR refcount block {i} is not cluster aligned; refcount table entry corrupted");
                state.MustRebuild = true;
                continue;
            }
            if (offset >> _geometry.ClusterBits >= (ulong)state.References.Clusters)
            {
                await ReachBlockAsync(i, offset, mends, cancellation).ConfigureAwait(false);
                continue;
            }
            state.Refer((long)offset, _geometry.ClusterBytes);
            ulong references = state.References.Get((long)offset >> _geometry.ClusterBits);
            if (references == 1) continue;
            state.Corrupt($"ERROR refcount block {i} refcount={references}");
            state.MustRebuild = true;
        }
    }

    // A block behind the end: the file is made to reach it, if that can be.
    private async ValueTask ReachBlockAsync(int index, ulong offset, bool mends, CancellationToken cancellation)
    {
        state.Say($"{(mends ? "Repairing" : "ERROR")} refcount block {index} is outside image");
        if (!mends)
        {
            state.Corruptions++;
            return;
        }
        string? failure = offset > (ulong)(long.MaxValue - _geometry.ClusterBytes) || offset >> _geometry.ClusterBits >= int.MaxValue ? "Invalid argument" : null;
        try
        {
            if (failure is null) await _metadata.File.ResizeAsync((long)offset + _geometry.ClusterBytes, Preallocation.Off, cancellation).ConfigureAwait(false);
        }
        catch (BlockIoException e)
        {
            failure = e.Message;
        }
        if (failure is not null)
        {
            state.Corruptions++;
            state.MustRebuild = true;
            state.Say($"ERROR could not resize image: {failure}");
            return;
        }
        state.CorruptionsFixed++;
        state.Refer((long)offset, _geometry.ClusterBytes);
    }
}
