using System;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Graph;

namespace Hutch.Block.Formats.Mapped;

/// <summary>
/// The data path of an image whose disk is cut into blocks that lie somewhere in a file: VDI, VHD, VHDX, VMDK. A format says where blocks are
/// (<see cref="TryFind"/>) and makes places for new ones; requests are cut, joined, filled up and ordered here.
/// <para>Reads and writes of what is there run at once and ask nobody. Whatever changes the map goes through one owner. A new block's data is written before
/// the map shows it, and is durable before the map's page is written: a flush, or too many changes, do that. So whatever was flushed survives a crash at any
/// moment, and an interrupted allocation leaves unused space at worst.</para>
/// </summary>
internal abstract partial class BlockMap : IDisposable
{
    // A run that is looked for in one go, and changes of the map that may wait for a flush.
    private const int MaxJoined = 65536, MaxUnstored = 8192;

    private readonly SemaphoreSlim _owner = new(1);
    private int _unstored;

    /// <summary>Makes a map; the nodes stay the caller's.</summary>
    protected BlockMap(BlockNode file, BlockNode? backing, long lengthBytes, int blockBytes)
    {
        File = file;
        Backing = backing;
        LengthBytes = lengthBytes;
        BlockBytes = blockBytes;
    }

    /// <summary>The node that holds blocks and map.</summary>
    internal BlockNode File { get; }

    /// <summary>What shows where there is nothing; null for zeros.</summary>
    internal BlockNode? Backing { get; }

    /// <summary>Where the map's disk begins in the backing node's: not 0 for a later part of a disk.</summary>
    internal long BackingOffset { get; init; }

    /// <summary>Length of the disk in bytes.</summary>
    internal long LengthBytes { get; }

    /// <summary>Length of a block in bytes.</summary>
    internal int BlockBytes { get; }

    /// <summary>Buffers of requests.</summary>
    protected BounceBuffers Bounces { get; } = new();

    /// <summary>
    /// What is at <paramref name="offset"/>: a run within one block, or a hole, no longer than asked. False where the map must be loaded first. Throws
    /// <see cref="BlockIoException"/> for a map that makes no sense.
    /// </summary>
    protected abstract bool TryFind(long offset, long lengthBytes, out MapRun run);

    /// <summary>Reads the part of the map that <see cref="TryFind"/> missed.</summary>
    protected abstract ValueTask LoadAsync(long offset, CancellationToken cancellation);

    /// <summary>Whether a whole block can be called zeros without a place for it, hiding the backing image.</summary>
    protected virtual bool CanMarkZero => false;

    /// <summary>Calls a whole block zeros; the owner only.</summary>
    protected virtual ValueTask MarkZeroAsync(long block, CancellationToken cancellation) => throw new NotSupportedException();

    /// <summary>
    /// Makes places for new blocks in the file, one behind the other: at least one, at most <paramref name="count"/>. The owner only.
    /// </summary>
    protected abstract ValueTask<BlockPlaces> ReserveAsync(long block, int count, CancellationToken cancellation);

    /// <summary>Shows new blocks in the map, in memory: their data is written. The owner only.</summary>
    protected abstract ValueTask LinkAsync(long block, int count, long fileOffset, CancellationToken cancellation);

    /// <summary>Writes the changed pages of the map; all data is durable. The owner only.</summary>
    protected abstract ValueTask StoreAsync(CancellationToken cancellation);

    /// <summary>Fills <paramref name="destination"/> from a compressed block; <paramref name="offset"/> is the place on the disk, within one block.</summary>
    protected virtual ValueTask ReadCompressedAsync(long offset, IoVector destination, MapRun run, CancellationToken cancellation) => throw new NotSupportedException();

    /// <summary>See <see cref="BlockNode.ReadAsync"/>.</summary>
    internal ValueTask ReadAsync(long offset, IoVector destination, CancellationToken cancellation)
    {
        cancellation.ThrowIfCancellationRequested();
        if (destination.LengthBytes == 0) return ValueTask.CompletedTask;
        return TryFindJoined(offset, destination.LengthBytes, out MapRun run) && run.LengthBytes == destination.LengthBytes
            ? ReadRunAsync(offset, destination, run, cancellation)
            : ReadRunsAsync(offset, destination, cancellation);
    }

    /// <summary>See <see cref="BlockNode.GetExtentAsync"/>.</summary>
    internal async ValueTask<BlockExtent> GetExtentAsync(long offset, long lengthBytes, CancellationToken cancellation)
    {
        MapRun run = await FindJoinedAsync(offset, lengthBytes, cancellation).ConfigureAwait(false);
        // A run goes on over parts of the map that are not in memory yet.
        for (int joins = 0; joins < MaxJoined / 64 && run.LengthBytes < lengthBytes; joins++)
        {
            MapRun next = await FindJoinedAsync(offset + run.LengthBytes, lengthBytes - run.LengthBytes, cancellation).ConfigureAwait(false);
            run = run.Join(next, out bool joined);
            if (!joined) break;
        }
        return run.ToExtent(File);
    }

    /// <summary>See <see cref="BlockNode.DiscardAsync"/>: blocks keep their place, so that a backing image stays hidden.</summary>
    internal async ValueTask DiscardAsync(long offset, long lengthBytes, CancellationToken cancellation)
    {
        while (lengthBytes != 0)
        {
            MapRun run = await FindJoinedAsync(offset, lengthBytes, cancellation).ConfigureAwait(false);
            if (run.Kind == MapKind.Data) await File.DiscardAsync(run.FileOffset, run.LengthBytes, cancellation).ConfigureAwait(false);
            offset += run.LengthBytes;
            lengthBytes -= run.LengthBytes;
        }
    }

    /// <summary>See <see cref="BlockNode.FlushAsync"/>.</summary>
    internal ValueTask FlushAsync(CancellationToken cancellation)
    {
        cancellation.ThrowIfCancellationRequested();
        return Volatile.Read(ref _unstored) == 0 ? File.FlushAsync(cancellation) : FlushMapAsync(cancellation);
    }

    /// <summary>Stores what the map in memory is ahead of the file's, with its data.</summary>
    internal virtual ValueTask CloseAsync(CancellationToken cancellation) => Volatile.Read(ref _unstored) == 0 ? ValueTask.CompletedTask : FlushMapAsync(cancellation);

    /// <inheritdoc/>
    public virtual void Dispose()
    {
        _owner.Dispose();
        Bounces.Dispose();
    }

    /// <summary>Marks that the map in memory is ahead of the file's; the owner only.</summary>
    protected void NoteUnstored(int changes) => Volatile.Write(ref _unstored, _unstored + changes);

    /// <summary>What is at <paramref name="offset"/>, loading the map as needed: a run within one block.</summary>
    protected async ValueTask<MapRun> FindAsync(long offset, long lengthBytes, CancellationToken cancellation)
    {
        MapRun run;
        while (!TryFind(offset, lengthBytes, out run)) await LoadAsync(offset, cancellation).ConfigureAwait(false);
        return run;
    }

    private async ValueTask FlushMapAsync(CancellationToken cancellation)
    {
        await _owner.WaitAsync(cancellation).ConfigureAwait(false);
        try
        {
            await StoreInOrderAsync(cancellation).ConfigureAwait(false);
            await File.FlushAsync(cancellation).ConfigureAwait(false);
        }
        finally
        {
            _owner.Release();
        }
    }

    // What a stored map points at must be there after a crash: first the data, with the file's length, then the map.
    private async ValueTask StoreInOrderAsync(CancellationToken cancellation)
    {
        if (_unstored == 0) return;
        await File.FlushAsync(cancellation).ConfigureAwait(false);
        await StoreAsync(cancellation).ConfigureAwait(false);
        Volatile.Write(ref _unstored, 0);
    }

    private async ValueTask<MapRun> FindJoinedAsync(long offset, long lengthBytes, CancellationToken cancellation)
    {
        MapRun run;
        while (!TryFindJoined(offset, lengthBytes, out run)) await LoadAsync(offset, cancellation).ConfigureAwait(false);
        return run;
    }

    // Joins blocks that go on with each other, as far as the map is in memory.
    private bool TryFindJoined(long offset, long lengthBytes, out MapRun run)
    {
        if (!TryFind(offset, lengthBytes, out run)) return false;
        for (int joins = 0; joins < MaxJoined && run.LengthBytes < lengthBytes; joins++)
        {
            if (!TryFind(offset + run.LengthBytes, lengthBytes - run.LengthBytes, out MapRun next)) break;
            run = run.Join(next, out bool joined);
            if (!joined) break;
        }
        return true;
    }

    private ValueTask ReadRunAsync(long offset, IoVector destination, MapRun run, CancellationToken cancellation)
    {
        switch (run.Kind)
        {
            case MapKind.Data:
                return File.ReadAsync(run.FileOffset, destination, cancellation);
            case MapKind.Compressed:
                return ReadCompressedAsync(offset, destination, run, cancellation);
            case MapKind.Hole when Backing is not null:
                return ReadBackingAsync(offset, destination, cancellation);
            default:
                destination.Clear();
                return ValueTask.CompletedTask;
        }
    }

    // A backing image may be shorter than the disk: zeros go on behind its end.
    private ValueTask ReadBackingAsync(long offset, IoVector destination, CancellationToken cancellation)
    {
        long there = Math.Clamp(Backing!.LengthBytes - (BackingOffset + offset), 0, destination.LengthBytes);
        if (there < destination.LengthBytes) destination.Slice(there, destination.LengthBytes - there).Clear();
        return there == 0 ? ValueTask.CompletedTask : Backing.ReadAsync(BackingOffset + offset, destination.Slice(0, there), cancellation);
    }

    private async ValueTask ReadRunsAsync(long offset, IoVector destination, CancellationToken cancellation)
    {
        for (long done = 0; done < destination.LengthBytes;)
        {
            MapRun run = await FindJoinedAsync(offset + done, destination.LengthBytes - done, cancellation).ConfigureAwait(false);
            await ReadRunAsync(offset + done, destination.Slice(done, run.LengthBytes), run, cancellation).ConfigureAwait(false);
            done += run.LengthBytes;
        }
    }
}
