using System;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Graph;

namespace Hutch.Block.Formats.Qcow2;

/// <summary>The second part of a check: compares refcounts with the references that were counted, block by block, and mends them in place.</summary>
internal sealed class CheckRefcounts(CheckState state, ulong[] refcountTable)
{
    private readonly Qcow2Geometry _geometry = state.Geometry;
    private readonly byte[] _block = new byte[state.Geometry.ClusterBytes];

    /// <summary>
    /// Compares. With <paramref name="keep"/> the counts become what the refcounts are now, for <see cref="CheckCopied"/>.
    /// </summary>
    internal async ValueTask CompareAsync(bool mendsLeaks, bool mendsErrors, bool keep, CancellationToken cancellation)
    {
        long clusters = state.References.Clusters, perBlock = 1L << _geometry.RefcountBlockBits;
        state.HighestCluster = 0;
        for (long first = 0; first < clusters; first += perBlock)
        {
            cancellation.ThrowIfCancellationRequested();
            long count = Math.Min(perBlock, clusters - first), index = first >> _geometry.RefcountBlockBits;
            long offset = index < refcountTable.Length ? (long)(refcountTable[index] & Qcow2Limits.RefcountTableOffsetMask) : 0;
            // A block that is not aligned was told already, and its refcounts cannot be known.
            if (offset < 0 || _geometry.InCluster(offset) != 0)
            {
                state.CheckErrors++;
                state.Say($"Can't get refcount for cluster {first}: Input/output error");
                continue;
            }
            if (offset == 0 && state.References.IsEmpty(first, count)) continue;
            if (!await ReadAsync(offset, first, cancellation).ConfigureAwait(false)) continue;
            bool changed = Compare(first, (int)count, mendsLeaks, mendsErrors, keep);
            if (changed) await state.Metadata.File.WriteBytesAsync(offset, _block, WriteFlags.None, CancellationToken.None).ConfigureAwait(false);
        }
    }

    private async ValueTask<bool> ReadAsync(long offset, long first, CancellationToken cancellation)
    {
        try
        {
            if (offset == 0) Array.Clear(_block);
            else await state.Metadata.File.ReadBytesAsync(offset, _block, cancellation).ConfigureAwait(false);
            return true;
        }
        catch (BlockIoException)
        {
            state.CheckErrors++;
            state.Say($"Can't get refcount for cluster {first}: Input/output error");
            return false;
        }
    }

    private bool Compare(long first, int count, bool mendsLeaks, bool mendsErrors, bool keep)
    {
        bool changed = false;
        int order = _geometry.RefcountOrder;
        for (int i = 0; i < count; i++)
        {
            ulong refcount = RefcountWidth.Get(_block, i, order), references = state.References.Get(first + i);
            if ((refcount | references) != 0) state.HighestCluster = first + i;
            if (refcount == references) continue;
            if (refcount == 0) state.MustRebuild = true;
            bool isLeak = refcount > references, mends = isLeak ? mendsLeaks : mendsErrors && refcount != 0;
            state.Say($"{(mends ? "Repairing" : isLeak ? "Leaked" : "ERROR")} cluster {first + i} refcount={refcount} reference={references}");
            if (mends)
            {
                RefcountWidth.Set(_block, i, order, references);
                changed = true;
                if (isLeak) state.LeaksFixed++;
                else state.CorruptionsFixed++;
                continue;
            }
            if (isLeak) state.Leaks++;
            else state.Corruptions++;
            if (keep) state.References.Set(first + i, refcount);
        }
        return changed;
    }
}
