using System;
using System.Buffers.Binary;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Graph;

namespace Hutch.Block.Formats.Qcow2;

/// <summary>The last part of a check: the copied flags of the active tables say which clusters have refcount 1.</summary>
internal sealed class CheckCopied(CheckState state, ulong[] l1)
{
    private readonly Qcow2Geometry _geometry = state.Geometry;
    private readonly byte[] _table = new byte[state.Geometry.ClusterBytes];
    private readonly bool _hasDataFile = state.Metadata.Header.HasDataFile;

    /// <summary>Checks; the counts are the refcounts now.</summary>
    internal async ValueTask RunAsync(CancellationToken cancellation)
    {
        // Flags follow refcounts: where only leaks may be mended, that is safe once all refcounts are right.
        bool mends = state.MendsErrors || (state.MendsLeaks && state.CheckErrors + state.Corruptions + state.Leaks == 0);
        BlockNode file = state.Metadata.File;
        for (int i = 0; i < l1.Length; i++)
        {
            long offset = (long)(l1[i] & Qcow2Limits.L1OffsetMask);
            if (offset == 0 || _geometry.InCluster(offset) != 0) continue;
            cancellation.ThrowIfCancellationRequested();
            ulong refcount = state.References.Get(offset >> _geometry.ClusterBits), entry = l1[i];
            if (refcount == 1 != ((entry & Qcow2Limits.CopiedFlag) != 0))
            {
                state.Say($"{(mends ? "Repairing" : "ERROR")} OFLAG_COPIED L2 cluster: l1_index={i} l1_entry={entry:x} refcount={refcount}");
                Count(mends);
                if (mends)
                {
                    l1[i] = entry ^ Qcow2Limits.CopiedFlag;
                    byte[] word = new byte[8];
                    BinaryPrimitives.WriteUInt64BigEndian(word, l1[i]);
                    await file.WriteBytesAsync(state.Metadata.Header.L1Offset + (i * 8L), word, WriteFlags.None, CancellationToken.None).ConfigureAwait(false);
                }
            }
            if (!await ReadAsync(offset, cancellation).ConfigureAwait(false)) continue;
            if (CheckTable(mends)) await file.WriteBytesAsync(offset, _table, WriteFlags.None, CancellationToken.None).ConfigureAwait(false);
        }
    }

    private bool CheckTable(bool mends)
    {
        bool changed = false;
        for (int i = 0; i < 1 << _geometry.L2Bits; i++)
        {
            Span<byte> at = _table.AsSpan(i << _geometry.EntryBits);
            L2Entry entry = new(BinaryPrimitives.ReadUInt64BigEndian(at), 0);
            if (entry.Word == 0 || !entry.HasPlace(_hasDataFile)) continue;
            ulong refcount = _hasDataFile ? 1 : state.References.Get(entry.HostOffset >> _geometry.ClusterBits);
            if (refcount == 1 == entry.IsCopied) continue;
            state.Say($"{(mends ? "Repairing" : "ERROR")} OFLAG_COPIED data cluster: l2_entry={entry.Word:x} refcount={refcount}");
            Count(mends);
            if (!mends) continue;
            BinaryPrimitives.WriteUInt64BigEndian(at, entry.Word ^ Qcow2Limits.CopiedFlag);
            changed = true;
        }
        return changed;
    }

    private async ValueTask<bool> ReadAsync(long offset, CancellationToken cancellation)
    {
        try
        {
            await state.Metadata.File.ReadBytesAsync(offset, _table, cancellation).ConfigureAwait(false);
            return true;
        }
        catch (BlockIoException e)
        {
            state.CheckErrors++;
            state.Say($"ERROR: I/O error in check_oflag_copied: {e.Message}");
            return false;
        }
    }

    private void Count(bool mended)
    {
        if (mended) state.CorruptionsFixed++;
        else state.Corruptions++;
    }
}
