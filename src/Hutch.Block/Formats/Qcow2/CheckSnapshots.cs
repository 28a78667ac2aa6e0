using System.Globalization;
using System.Threading;
using System.Threading.Tasks;

namespace Hutch.Block.Formats.Qcow2;

/// <summary>Checks the snapshot table: first that it can be read, and last, when refcounts can be trusted, that it says all it must.</summary>
internal sealed class CheckSnapshots(CheckState state)
{
    private readonly Qcow2Metadata _metadata = state.Metadata;
    private int _wrong;

    /// <summary>The table, cut where it was too long.</summary>
    internal Qcow2SnapshotTable Table { get; private set; } = Qcow2SnapshotTable.Empty;

    /// <summary>Reads the table. Throws <see cref="ImageException"/> where it breaks limits and must not be mended.</summary>
    internal async ValueTask ReadAsync(CancellationToken cancellation)
    {
        Qcow2Header header = _metadata.Header;
        if (header.SnapshotCount > Qcow2Limits.MaxSnapshots)
        {
            long overhanging = header.SnapshotCount - Qcow2Limits.MaxSnapshots;
            if (!state.MendsErrors)
            {
                string hint = string.Create(CultureInfo.InvariantCulture, $"You can force-remove all {overhanging} overhanging snapshots with qemu-img check -r all");
                throw new ImageException("File too large", hint) { Before = "ERROR snapshot table too large" };
            }
            state.Say($"Discarding {overhanging} overhanging snapshots");
            state.CorruptionsFixed += overhanging;
        }
        try
        {
            Table = await Qcow2SnapshotTable.ReadAsync(_metadata.File, header, state.MendsErrors ? text => state.Say($"{text}") : null, cancellation).ConfigureAwait(false);
        }
        catch (ImageException e)
        {
            throw new ImageException("File too large", e.Hint) { Before = $"ERROR failed to read the snapshot table: {e.Message}" };
        }
        _wrong += Table.ExtraDropped;
        state.CorruptionsFixed += Table.Overhanging;
        if (state.MendsErrors && Table.Snapshots.Length != header.SnapshotCount)
        {
            // Fewer from now on; they lie where they are.
            await _metadata.UpdateHeaderAsync(now => now with { SnapshotCount = (uint)Table.Snapshots.Length }, CancellationToken.None).ConfigureAwait(false);
        }
        if (header.Version < 3) return;
        for (int i = 0; i < Table.Snapshots.Length; i++)
        {
            if (Table.Snapshots[i].ExtraBytes >= Qcow2Snapshot.RequiredExtraBytes) continue;
            state.Say($"{(state.MendsErrors ? "Repairing" : "ERROR")} snapshot table entry {i} is incomplete");
            if (state.MendsErrors) _wrong++;
            else state.Corruptions++;
        }
    }

    /// <summary>Writes the table anew where it was wrong.</summary>
    internal async ValueTask MendAsync()
    {
        _metadata.TakeSnapshots(Table);
        if (!state.MendsErrors || _wrong == 0) return;
        if (state.CheckErrors + state.Corruptions != 0)
        {
            // Refcounts cannot be trusted for a new place.
            state.Corruptions += _wrong;
            return;
        }
        await Qcow2Snapshots.SwitchTableAsync(_metadata, Table.Snapshots).ConfigureAwait(false);
        await _metadata.SettleAsync().ConfigureAwait(false);
        state.CorruptionsFixed += _wrong;
    }
}
