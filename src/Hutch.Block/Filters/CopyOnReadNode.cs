using System;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Formats;
using Hutch.Block.Graph;
using Hutch.Host.Files;

namespace Hutch.Block.Filters;

/// <summary>
/// Keeps in the image what a read had to fetch from below it: whole clusters, zeros as zeros. What the image has goes past all of this, straight to the caller.
/// A change of a range that is being fetched waits, so that what is fetched never covers it.
/// </summary>
internal sealed class CopyOnReadNode(BlockNode child) : FilterNode(child)
{
    private const int ChunkBytes = 2 << 20;
    private const int SmallestUnitBytes = 4096;

    private readonly RangeLocks _locks = new();

    /// <inheritdoc/>
    public override async ValueTask ReadAsync(long offset, IoVector destination, CancellationToken cancellation)
    {
        CheckRange(offset, destination.LengthBytes);
        for (long done = 0, length = destination.LengthBytes; done < length;)
        {
            BlockExtent extent = await Child.GetExtentAsync(offset + done, length - done, cancellation).ConfigureAwait(false);
            long part = Math.Min(extent.LengthBytes, length - done);
            IoVector into = destination.Slice(done, part);
            if (extent.Kind == BlockExtentKind.Unallocated) await FetchAsync(offset + done, into, cancellation).ConfigureAwait(false);
            else await Child.ReadAsync(offset + done, into, cancellation).ConfigureAwait(false);
            done += part;
        }
    }

    /// <inheritdoc/>
    public override ValueTask WriteAsync(long offset, IoVector source, WriteFlags flags, CancellationToken cancellation) =>
        AloneAsync(offset, source.LengthBytes, () => Child.WriteAsync(offset, source, flags, cancellation));

    /// <inheritdoc/>
    public override ValueTask WriteZeroesAsync(long offset, long lengthBytes, WriteFlags flags, CancellationToken cancellation) =>
        AloneAsync(offset, lengthBytes, () => Child.WriteZeroesAsync(offset, lengthBytes, flags, cancellation));

    /// <inheritdoc/>
    public override ValueTask DiscardAsync(long offset, long lengthBytes, CancellationToken cancellation) =>
        AloneAsync(offset, lengthBytes, () => Child.DiscardAsync(offset, lengthBytes, cancellation));

    private async ValueTask AloneAsync(long offset, long lengthBytes, Func<ValueTask> change)
    {
        int ticket = await _locks.AcquireAsync(offset, lengthBytes).ConfigureAwait(false);
        try
        {
            await change().ConfigureAwait(false);
        }
        finally
        {
            _locks.Release(ticket);
        }
    }

    // Copies the clusters around a range into the image, alone in them, and hands out the range.
    private async ValueTask FetchAsync(long offset, IoVector destination, CancellationToken cancellation)
    {
        int unit = Math.Max(ClusterBytesOf(Child), SmallestUnitBytes);
        long start = offset / unit * unit, end = Math.Min(LengthBytes, (offset + destination.LengthBytes + unit - 1) / unit * unit);
        int ticket = await _locks.AcquireAsync(start, end - start).ConfigureAwait(false);
        try
        {
            using NativeBuffer buffer = new((int)Math.Min(Math.Max(ChunkBytes, unit), end - start));
            for (long at = start; at < end;)
            {
                // Another reader may have been here before.
                BlockExtent extent = await Child.GetExtentAsync(at, end - at, cancellation).ConfigureAwait(false);
                int length = (int)Math.Min(extent.LengthBytes, Math.Min(end - at, buffer.LengthBytes));
                IoVector vector = new(new[] { buffer.Segment(0, length) });
                long from = Math.Max(at, offset), to = Math.Min(at + length, offset + destination.LengthBytes);
                if (extent.Kind == BlockExtentKind.Unallocated)
                {
                    await CopyAsync(at, vector, cancellation).ConfigureAwait(false);
                    if (from < to) destination.Slice(from - offset, to - from).CopyFrom(buffer.Span[(int)(from - at)..(int)(to - at)]);
                }
                else if (from < to)
                {
                    await Child.ReadAsync(from, destination.Slice(from - offset, to - from), cancellation).ConfigureAwait(false);
                }
                at += length;
            }
        }
        finally
        {
            _locks.Release(ticket);
        }
    }

    private async ValueTask CopyAsync(long offset, IoVector buffer, CancellationToken cancellation)
    {
        await Child.ReadAsync(offset, buffer, cancellation).ConfigureAwait(false);
        FindBlkdebug(Child)?.Raise("cor_write");
        if (buffer.IsZero()) await Child.WriteZeroesAsync(offset, buffer.LengthBytes, WriteFlags.None, cancellation).ConfigureAwait(false);
        else await Child.WriteAsync(offset, buffer, WriteFlags.None, cancellation).ConfigureAwait(false);
    }

    private static int ClusterBytesOf(BlockNode node) => node switch
    {
        ImageNode image => image.ClusterBytes,
        FilterNode filter => ClusterBytesOf(filter.Child),
        _ => 0,
    };

    private static BlkdebugNode? FindBlkdebug(BlockNode node) => node as BlkdebugNode ?? (node is FilterNode filter ? FindBlkdebug(filter.Child) : null);
}
