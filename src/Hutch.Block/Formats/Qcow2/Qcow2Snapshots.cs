using System;
using System.Collections.Generic;
using System.Collections.Immutable;
using System.Globalization;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Graph;
using Hutch.Block.Opening;

namespace Hutch.Block.Formats.Qcow2;

/// <summary>
/// Internal snapshots. The order is the same in all: references are added and durable, then one write of the header switches, then references are taken
/// away. A crash leaves leaks, and copied flags that are more careful than they need be, but never a cluster with too few references; the image is marked
/// dirty meanwhile, so that the next open mends them. No request is in flight.
/// </summary>
internal sealed class Qcow2Snapshots(Qcow2Guest guest, Qcow2Unmapper unmapper)
{
    private readonly Qcow2Metadata _metadata = guest.Metadata;
    private readonly Qcow2Geometry _geometry = guest.Metadata.Geometry;

    /// <summary>Lists them.</summary>
    internal IReadOnlyList<ImageSnapshot> List()
    {
        ImageSnapshot[] list = new ImageSnapshot[_metadata.Snapshots.Length];
        for (int i = 0; i < list.Length; i++) list[i] = _metadata.Snapshots[i].Info;
        return list;
    }

    /// <summary>Takes a snapshot. Its id is the number after the largest.</summary>
    internal async ValueTask CreateAsync(ImageSnapshot info, CancellationToken cancellation)
    {
        CheckSupported();
        if (_metadata.Snapshots.Length >= Qcow2Limits.MaxSnapshots) throw Qcow2SnapshotTable.TooMany();
        info = info with { Id = NextId(), DiskBytes = _metadata.Header.LengthBytes };
        _ = Qcow2SnapshotTable.Write([.. _metadata.Snapshots, new(info, 0, 0)]);
        await SettleAsync().ConfigureAwait(false);
        ulong[] l1 = Uncopied(_metadata.L2.L1);
        long offset = l1.Length == 0 ? 0 : await _metadata.AllocateAsync((long)l1.Length * 8, OverlapKind.InactiveL1, "snapshot L1 table").ConfigureAwait(false);
        // Where that fails the new table's place stays taken, as with QEMU: a leak, which a check mends.
        _ = await AddReferencesAsync(_metadata.L2.L1, default, cancellation).ConfigureAwait(false);
        if (l1.Length != 0)
        {
            await _metadata.WriteWordsAsync(offset, l1).ConfigureAwait(false);
            await _metadata.WriteWordsAsync(_metadata.L2.L1Offset, l1).ConfigureAwait(false);
            lock (_metadata.Sync) _metadata.L2.L1 = l1;
        }
        await _metadata.File.FlushAsync(CancellationToken.None).ConfigureAwait(false);
        await SwitchTableAsync(_metadata, _metadata.Snapshots.Add(new(info, offset, l1.Length))).ConfigureAwait(false);
        // The machine's state belongs to the snapshot from now on.
        long state = guest.VmStateStart(_metadata.Header.LengthBytes), end = Math.Min(state + info.VmStateBytes, (long)l1.Length << _geometry.L1SpanBits);
        end = (end + _geometry.ClusterBytes - 1) & -(long)_geometry.ClusterBytes;
        if (end > state) await unmapper.DropAsync(state, end, CancellationToken.None).ConfigureAwait(false);
        await EndAsync().ConfigureAwait(false);
    }

    /// <summary>Makes the disk what it was, its length too.</summary>
    internal async ValueTask ApplyAsync(string idOrName, CancellationToken cancellation)
    {
        CheckSupported();
        Qcow2Snapshot snapshot = _metadata.Snapshots[Require(idOrName)];
        await SettleAsync().ConfigureAwait(false);
        ulong[] from = await LoadL1Async(snapshot, cancellation).ConfigureAwait(false);
        long needed = Qcow2Geometry.L1EntriesFor(_metadata.Header, snapshot.Info.DiskBytes);
        if (needed > Qcow2Limits.MaxL1Bytes / 8 || snapshot.Info.DiskBytes < 0) throw new ImageException("Snapshot's disk is too large");
        ulong[] l1 = new ulong[Math.Max(needed, from.Length)], old = _metadata.L2.L1;
        Uncopied(from).CopyTo(l1, 0);
        long oldOffset = _metadata.L2.L1Offset, offset = l1.Length == 0 ? 0 : await _metadata.AllocateAsync((long)l1.Length * 8, OverlapKind.ActiveL1, "L1 table").ConfigureAwait(false);
        ReferenceWalk walk = await AddReferencesAsync(from, new(offset, (long)l1.Length * 8), cancellation).ConfigureAwait(false);
        if (l1.Length != 0) await _metadata.WriteWordsAsync(offset, l1).ConfigureAwait(false);
        await _metadata.File.FlushAsync(CancellationToken.None).ConfigureAwait(false);
        await _metadata.UpdateHeaderAsync(header => header with { L1Offset = offset, L1Entries = l1.Length, LengthBytes = snapshot.Info.DiskBytes }, CancellationToken.None)
            .ConfigureAwait(false);
        _metadata.SwitchL1(l1, offset);
        await walk.DropAsync(old).ConfigureAwait(false);
        lock (_metadata.Sync)
        {
            if (oldOffset != 0) _metadata.Frees.Add(oldOffset >> _geometry.ClusterBits, _geometry.ClustersFor((long)old.Length * 8), FreeReason.Replaced);
        }
        await EndAsync().ConfigureAwait(false);
    }

    /// <summary>Gives a snapshot up.</summary>
    internal async ValueTask DeleteAsync(string idOrName, CancellationToken cancellation)
    {
        CheckSupported();
        int index = Require(idOrName);
        Qcow2Snapshot snapshot = _metadata.Snapshots[index];
        await SettleAsync().ConfigureAwait(false);
        ulong[] l1 = await ReadL1Async(snapshot, cancellation).ConfigureAwait(false);
        await _metadata.BeginRewriteAsync().ConfigureAwait(false);
        await SwitchTableAsync(_metadata, _metadata.Snapshots.RemoveAt(index)).ConfigureAwait(false);
        ReferenceWalk walk = new(_metadata);
        await walk.DropAsync(l1).ConfigureAwait(false);
        _metadata.Free(snapshot.L1Offset, (long)snapshot.L1Entries * 8);
        await _metadata.SettleAsync().ConfigureAwait(false);
        await walk.MarkCopiedAsync().ConfigureAwait(false);
        await _metadata.EndRewriteAsync().ConfigureAwait(false);
    }

    /// <summary>Shows a snapshot until the image is closed.</summary>
    internal async ValueTask LoadAsync(string idOrName, CancellationToken cancellation)
    {
        Qcow2Snapshot snapshot = _metadata.Snapshots[Require(idOrName)];
        if (!_metadata.Settings.ReadOnly) await _metadata.SettleAsync().ConfigureAwait(false);
        ulong[] l1 = await ReadL1Async(snapshot, cancellation).ConfigureAwait(false);
        if (snapshot.Info.DiskBytes < 0 || (snapshot.Info.DiskBytes & 511) != 0) throw new ImageException("Snapshot's disk has an invalid length");
        _metadata.ShowSnapshot(l1, snapshot);
    }

    /// <summary>Writes a new table and makes the header name it; the old one's place becomes free.</summary>
    internal static async ValueTask SwitchTableAsync(Qcow2Metadata metadata, ImmutableArray<Qcow2Snapshot> snapshots)
    {
        byte[] table = Qcow2SnapshotTable.Write(snapshots);
        long oldOffset = metadata.Header.SnapshotsOffset, oldBytes = metadata.SnapshotTableBytes, offset = 0;
        if (table.Length != 0)
        {
            offset = await metadata.AllocateAsync(table.Length, OverlapKind.SnapshotTable, "snapshot table").ConfigureAwait(false);
            await metadata.CommitAsync(withRefcounts: true, CancellationToken.None).ConfigureAwait(false);
            await metadata.WriteTableAsync(offset, table).ConfigureAwait(false);
            await metadata.File.FlushAsync(CancellationToken.None).ConfigureAwait(false);
        }
        await metadata.UpdateHeaderAsync(header => header with { SnapshotCount = (uint)snapshots.Length, SnapshotsOffset = offset }, CancellationToken.None).ConfigureAwait(false);
        metadata.TakeSnapshots(new(snapshots, table.Length));
        metadata.Free(oldOffset, oldBytes);
    }

    private async ValueTask SettleAsync()
    {
        _metadata.CheckWritable();
        await _metadata.SettleAsync().ConfigureAwait(false);
        _metadata.ForgetL2Tables();
    }

    // Begins the rewriting: all that a table names has a reference more, durably. Where that fails all is as it was, and spare is free.
    private async ValueTask<ReferenceWalk> AddReferencesAsync(ulong[] l1, Qcow2Range spare, CancellationToken cancellation)
    {
        ReferenceWalk walk = new(_metadata);
        await _metadata.BeginRewriteAsync().ConfigureAwait(false);
        try
        {
            await walk.AddAsync(l1, cancellation).ConfigureAwait(false);
        }
        catch (Exception e) when (e is BlockIoException or Qcow2CorruptException or OperationCanceledException)
        {
            _metadata.Free(spare.Offset, spare.LengthBytes);
            await _metadata.SettleAsync().ConfigureAwait(false);
            await walk.MarkCopiedAsync().ConfigureAwait(false);
            await _metadata.EndRewriteAsync().ConfigureAwait(false);
            throw;
        }
        await _metadata.CommitAsync(withRefcounts: true, CancellationToken.None).ConfigureAwait(false);
        return walk;
    }

    private async ValueTask EndAsync()
    {
        await _metadata.SettleAsync().ConfigureAwait(false);
        await _metadata.EndRewriteAsync().ConfigureAwait(false);
    }

    private ValueTask<ulong[]> ReadL1Async(Qcow2Snapshot snapshot, CancellationToken cancellation) =>
        Qcow2TableReader.ReadSnapshotL1Async(_metadata.File, _metadata.Header, snapshot, cancellation);

    private async ValueTask<ulong[]> LoadL1Async(Qcow2Snapshot snapshot, CancellationToken cancellation)
    {
        try
        {
            return await ReadL1Async(snapshot, cancellation).ConfigureAwait(false);
        }
        catch (ImageException e) when (e.Errno is int errno)
        {
            throw new ImageException($"Failed to load snapshot: {ErrorText.Of(errno)}") { Errno = errno, Before = e.Message };
        }
    }

    private void CheckSupported()
    {
        if (_metadata.Header.HasDataFile) throw new BlockIoException("Images with an external data file cannot have snapshots.", BlockIoException.Enotsup);
    }

    private int Require(string idOrName) => Find(idOrName) is var index and >= 0 ? index : throw new ImageException("snapshot not found");

    private int Find(string idOrName)
    {
        for (int i = 0; i < _metadata.Snapshots.Length; i++)
            if (_metadata.Snapshots[i].Info.Id == idOrName) return i;
        for (int i = 0; i < _metadata.Snapshots.Length; i++)
            if (_metadata.Snapshots[i].Info.Name == idOrName) return i;
        return -1;
    }

    private string NextId()
    {
        ulong max = 0;
        foreach (Qcow2Snapshot snapshot in _metadata.Snapshots)
            if (ulong.TryParse(snapshot.Info.Id, NumberStyles.None, CultureInfo.InvariantCulture, out ulong id) && id > max) max = id;
        return (max + 1).ToString(CultureInfo.InvariantCulture);
    }

    private static ulong[] Uncopied(ulong[] l1)
    {
        ulong[] copy = new ulong[l1.Length];
        for (int i = 0; i < l1.Length; i++) copy[i] = l1[i] & ~Qcow2Limits.CopiedFlag;
        return copy;
    }
}
