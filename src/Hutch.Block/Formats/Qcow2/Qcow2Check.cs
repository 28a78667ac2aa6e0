using System;
using System.Threading;
using System.Threading.Tasks;

namespace Hutch.Block.Formats.Qcow2;

/// <summary>Checks an image's metadata and mends it. Messages and counts are those of qemu-img. No request is in flight.</summary>
internal sealed class Qcow2Check(Qcow2Metadata metadata, ImageRepair repair, Action<string> report)
{
    private readonly CheckState _state = new(metadata, repair, report);

    /// <summary>Runs the check. Throws <see cref="ImageException"/> where it cannot be finished.</summary>
    internal async ValueTask<ImageCheckResult> RunAsync(CancellationToken cancellation)
    {
        bool mends = repair != ImageRepair.None;
        if (!metadata.Settings.ReadOnly && !metadata.IsCorrupt) await metadata.SettleAsync().ConfigureAwait(false);
        if (metadata.File.LengthBytes >> metadata.Geometry.ClusterBits > int.MaxValue) throw new ImageException("File too large");
        CheckSnapshots snapshots = new(_state);
        await snapshots.ReadAsync(cancellation).ConfigureAwait(false);
        // Mending changes a copy of the table. It may be large, so where nothing is mended the one in memory serves.
        ulong[] l1 = mends || metadata.ShowsSnapshot ? await ReadL1Async(cancellation).ConfigureAwait(false) : metadata.L2.L1;
        await CheckReferencesAsync(l1, snapshots.Table, cancellation).ConfigureAwait(false);
        await new CheckCopied(_state, l1).RunAsync(cancellation).ConfigureAwait(false);
        if (mends)
        {
            await metadata.File.FlushAsync(CancellationToken.None).ConfigureAwait(false);
            metadata.Reload(l1, await ReadTableAsync(CancellationToken.None).ConfigureAwait(false));
            await snapshots.MendAsync().ConfigureAwait(false);
        }
        if (_state.MendsErrors && _state.CheckErrors + _state.Corruptions == 0)
        {
            metadata.NeedsRepair = false;
            const ulong Marks = Qcow2Features.Dirty | Qcow2Features.Corrupt;
            if ((metadata.Header.Incompatible & Marks) != 0)
                await metadata.UpdateHeaderAsync(header => header with { Incompatible = header.Incompatible & ~Marks }, CancellationToken.None).ConfigureAwait(false);
        }
        return _state.ToResult();
    }

    private async ValueTask CheckReferencesAsync(ulong[] l1, Qcow2SnapshotTable snapshots, CancellationToken cancellation)
    {
        ulong[] table = await ReadTableAsync(cancellation).ConfigureAwait(false);
        await new CheckReferences(_state, l1, table, snapshots.Snapshots, snapshots.LengthBytes).CountAsync(_state.MendsErrors, cancellation).ConfigureAwait(false);
        (long leaks, long corruptions) = (_state.Leaks, _state.Corruptions);
        bool mends = _state.MendsErrors || _state.MendsLeaks;
        CheckRefcounts refcounts = new(_state, table);
        await refcounts.CompareAsync(false, false, keep: !mends, cancellation).ConfigureAwait(false);
        if (!mends) return;
        if (_state.MustRebuild)
        {
            if (!_state.MendsErrors)
            {
                _state.Say($"ERROR need to rebuild refcount structures");
                throw new ImageException("Input/output error");
            }
            await RebuildAsync(l1, snapshots).ConfigureAwait(false);
            return;
        }
        bool isWrong = _state.Leaks + _state.Corruptions != 0;
        (_state.Leaks, _state.Corruptions) = isWrong ? (leaks, corruptions) : (_state.Leaks, _state.Corruptions);
        if (isWrong) await refcounts.CompareAsync(_state.MendsLeaks, _state.MendsErrors, keep: true, CancellationToken.None).ConfigureAwait(false);
    }

    private async ValueTask RebuildAsync(ulong[] l1, Qcow2SnapshotTable snapshots)
    {
        (long leaks, long corruptions) = (_state.Leaks, _state.Corruptions);
        _state.Say($"Rebuilding refcount structure");
        await new RefcountRebuild(_state).RunAsync().ConfigureAwait(false);
        // The old structure is leaked now: what is left is found by counting again.
        (_state.Leaks, _state.Corruptions, _state.MustRebuild) = (0, 0, false);
        _state.References.Clear();
        ulong[] table = await ReadTableAsync(CancellationToken.None).ConfigureAwait(false);
        await new CheckReferences(_state, l1, table, snapshots.Snapshots, snapshots.LengthBytes).CountAsync(mends: false, CancellationToken.None).ConfigureAwait(false);
        long leaksFixed = _state.LeaksFixed;
        await new CheckRefcounts(_state, table).CompareAsync(_state.MendsLeaks, false, keep: true, CancellationToken.None).ConfigureAwait(false);
        if (_state.MustRebuild) _state.Say($"ERROR rebuilt refcount structure is still broken");
        // Leaks that the rebuilding made do not count as mended.
        _state.LeaksFixed = leaksFixed + Math.Max(0, leaks - _state.Leaks);
        _state.CorruptionsFixed += Math.Max(0, corruptions - _state.Corruptions);
    }

    private ValueTask<ulong[]> ReadL1Async(CancellationToken cancellation) =>
        Qcow2TableReader.ReadAsync(metadata.File, metadata.Header.L1Offset, metadata.Header.L1Entries, "Could not read L1 table", cancellation);

    private ValueTask<ulong[]> ReadTableAsync(CancellationToken cancellation) => Qcow2TableReader.ReadAsync(metadata.File, metadata.Header.RefcountTableOffset,
        ((long)metadata.Header.RefcountTableClusters << metadata.Geometry.ClusterBits) / 8, "Could not initialize refcount handling", cancellation);
}
