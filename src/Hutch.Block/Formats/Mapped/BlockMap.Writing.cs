using System;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Graph;

namespace Hutch.Block.Formats.Mapped;

internal abstract partial class BlockMap
{
    /// <summary>See <see cref="BlockNode.WriteAsync"/>.</summary>
    internal ValueTask WriteAsync(long offset, IoVector source, WriteFlags flags, CancellationToken cancellation)
    {
        cancellation.ThrowIfCancellationRequested();
        if (source.LengthBytes == 0) return ValueTask.CompletedTask;
        flags |= Always;
        bool durable = (flags & WriteFlags.Durable) != 0;
        // A durable write needs its block's map on disk too.
        if ((!durable || Volatile.Read(ref _unstored) == 0) && TryFindJoined(offset, source.LengthBytes, out MapRun run)
            && run.Kind == MapKind.Data && run.LengthBytes == source.LengthBytes)
        {
            return File.WriteAsync(run.FileOffset, source, flags & WriteFlags.Durable, cancellation);
        }
        return WriteRunsAsync(offset, source, durable, cancellation);
    }

    /// <summary>See <see cref="BlockNode.WriteZeroesAsync"/>.</summary>
    internal async ValueTask WriteZeroesAsync(long offset, long lengthBytes, WriteFlags flags, CancellationToken cancellation)
    {
        cancellation.ThrowIfCancellationRequested();
        flags |= Always;
        while (lengthBytes != 0)
        {
            MapRun run = await FindJoinedAsync(offset, lengthBytes, cancellation).ConfigureAwait(false);
            if (run.Kind == MapKind.Data) await File.WriteZeroesAsync(run.FileOffset, run.LengthBytes, flags & ~WriteFlags.Durable, cancellation).ConfigureAwait(false);
            else if (run.Kind == MapKind.Compressed || (run.Kind == MapKind.Hole && Backing is not null))
                await ChangeAsync(offset, run.LengthBytes, null, flags, cancellation).ConfigureAwait(false);
            offset += run.LengthBytes;
            lengthBytes -= run.LengthBytes;
        }
        if ((flags & WriteFlags.Durable) != 0) await FlushAsync(cancellation).ConfigureAwait(false);
    }

    // Storage whose writes are durable needs its map on disk with each of them.
    private WriteFlags Always => File.Limits.WritesAreDurable ? WriteFlags.Durable : WriteFlags.None;

    /// <summary>
    /// Writes into blocks that have no place of their own yet, all of one kind, or that are compressed; null for zeros. The owner only. Formats that keep
    /// sectors apart replace it.
    /// </summary>
    /// <returns>How much was done, from the beginning.</returns>
    protected virtual async ValueTask<long> WriteNewAsync(long offset, long lengthBytes, IoVector? source, MapRun run, CancellationToken cancellation)
    {
        long block = offset / BlockBytes, end = offset + lengthBytes;
        int count = (int)Math.Min(int.MaxValue, ((end - 1) / BlockBytes) - block + 1);
        (long place, int got, bool fresh) = await ReserveAsync(block, count, cancellation).ConfigureAwait(false);
        long start = block * BlockBytes, stop = start + ((long)got * BlockBytes);
        long length = Math.Min(end, stop) - offset;
        await FillAsync(start, offset - start, place, run.Kind, fresh, cancellation).ConfigureAwait(false);
        if (source is IoVector data) await File.WriteAsync(place + (offset - start), data.Slice(0, length), WriteFlags.None, cancellation).ConfigureAwait(false);
        else if (!fresh) await File.WriteZeroesAsync(place + (offset - start), length, WriteFlags.MayUnmap, cancellation).ConfigureAwait(false);
        await FillAsync(offset + length, stop - (offset + length), place + (offset + length - start), run.Kind, fresh, cancellation).ConfigureAwait(false);
        await ExtendAsync(place + (stop - start), cancellation).ConfigureAwait(false);
        await LinkAsync(block, got, place, cancellation).ConfigureAwait(false);
        NoteUnstored(got);
        return length;
    }

    /// <summary>Makes the file at least this long; what is new are zeros.</summary>
    protected async ValueTask ExtendAsync(long fileLengthBytes, CancellationToken cancellation)
    {
        if (File.LengthBytes >= fileLengthBytes) return;
        // A sector at the end leaves a hole before it. Resizing is not for a node with requests in flight.
        await File.WriteBytesAsync(fileLengthBytes - SectorBytes, Zeros, WriteFlags.None, cancellation).ConfigureAwait(false);
    }

    private const int SectorBytes = 512;

    private static readonly byte[] Zeros = new byte[SectorBytes];

    private async ValueTask WriteRunsAsync(long offset, IoVector source, bool durable, CancellationToken cancellation)
    {
        for (long done = 0; done < source.LengthBytes;)
        {
            MapRun run = await FindJoinedAsync(offset + done, source.LengthBytes - done, cancellation).ConfigureAwait(false);
            IoVector part = source.Slice(done, run.LengthBytes);
            if (run.Kind == MapKind.Data) await File.WriteAsync(run.FileOffset, part, WriteFlags.None, cancellation).ConfigureAwait(false);
            else await ChangeAsync(offset + done, run.LengthBytes, part, WriteFlags.None, cancellation).ConfigureAwait(false);
            done += run.LengthBytes;
        }
        if (durable) await FlushAsync(cancellation).ConfigureAwait(false);
    }

    /// <summary>Does something as the map's owner.</summary>
    protected async ValueTask RunAsOwnerAsync(Func<ValueTask> action, CancellationToken cancellation)
    {
        await _owner.WaitAsync(cancellation).ConfigureAwait(false);
        try
        {
            await action().ConfigureAwait(false);
            if (_unstored >= MaxUnstored) await StoreInOrderAsync(cancellation).ConfigureAwait(false);
        }
        finally
        {
            _owner.Release();
        }
    }

    // The way of all changes of the map: one at a time. What another request has given a place meanwhile is written there.
    private async ValueTask ChangeAsync(long offset, long lengthBytes, IoVector? source, WriteFlags flags, CancellationToken cancellation)
    {
        await _owner.WaitAsync(cancellation).ConfigureAwait(false);
        try
        {
            for (long done = 0; done < lengthBytes;)
            {
                MapRun run = await FindJoinedAsync(offset + done, lengthBytes - done, cancellation).ConfigureAwait(false);
                done += await ChangeRunAsync(offset + done, source?.Slice(done, run.LengthBytes), run, flags, cancellation).ConfigureAwait(false);
            }
            if (_unstored >= MaxUnstored) await StoreInOrderAsync(cancellation).ConfigureAwait(false);
        }
        finally
        {
            _owner.Release();
        }
    }

    private async ValueTask<long> ChangeRunAsync(long offset, IoVector? source, MapRun run, WriteFlags flags, CancellationToken cancellation)
    {
        if (run.Kind == MapKind.Data)
        {
            if (source is IoVector data) await File.WriteAsync(run.FileOffset, data, WriteFlags.None, cancellation).ConfigureAwait(false);
            else await File.WriteZeroesAsync(run.FileOffset, run.LengthBytes, flags & ~WriteFlags.Durable, cancellation).ConfigureAwait(false);
            return run.LengthBytes;
        }
        long length = run.LengthBytes;
        if (source is null)
        {
            if (run.Kind == MapKind.Zero || (run.Kind == MapKind.Hole && Backing is null)) return length;
            if (CanMarkZero)
            {
                length = Math.Min(length, BlockBytes - (offset % BlockBytes));
                if (length == BlockBytes || (offset % BlockBytes == 0 && offset + length == LengthBytes))
                {
                    await MarkZeroAsync(offset / BlockBytes, cancellation).ConfigureAwait(false);
                    NoteUnstored(1);
                    return length;
                }
            }
            if ((flags & WriteFlags.NoFallback) != 0) throw new BlockIoException($"\"{File.Filename}\": these zeros would have to be written as data.", BlockIoException.Enotsup);
        }
        return await WriteNewAsync(offset, length, source, run, cancellation).ConfigureAwait(false);
    }

    // Gives what a request leaves of a new block the content that it has shown so far.
    private async ValueTask FillAsync(long offset, long lengthBytes, long place, MapKind kind, bool fresh, CancellationToken cancellation)
    {
        if (lengthBytes == 0) return;
        if (kind == MapKind.Zero || (kind == MapKind.Hole && Backing is null))
        {
            if (!fresh) await File.WriteZeroesAsync(place, lengthBytes, WriteFlags.MayUnmap, cancellation).ConfigureAwait(false);
            return;
        }
        BounceBuffer bounce = Bounces.Rent((int)Math.Min(lengthBytes, BounceBuffers.MaxBytes));
        try
        {
            for (long done = 0; done < lengthBytes;)
            {
                int part = (int)Math.Min(lengthBytes - done, bounce.Memory.LengthBytes);
                await ReadShownAsync(offset + done, bounce, part, cancellation).ConfigureAwait(false);
                if (!fresh || bounce.Memory.Span[..part].ContainsAnyExcept((byte)0))
                    await File.WriteAsync(place + done, bounce.Vector(part), WriteFlags.None, cancellation).ConfigureAwait(false);
                done += part;
            }
        }
        finally
        {
            Bounces.Return(bounce);
        }
    }

    /// <summary>What the disk shows at <paramref name="offset"/>; zeros behind its end, where the last block may go on.</summary>
    protected async ValueTask ReadShownAsync(long offset, BounceBuffer bounce, int lengthBytes, CancellationToken cancellation)
    {
        int there = (int)Math.Clamp(LengthBytes - offset, 0, lengthBytes);
        bounce.Memory.Span[there..lengthBytes].Clear();
        if (there != 0) await ReadRunsAsync(offset, bounce.Vector(there), cancellation).ConfigureAwait(false);
    }
}
