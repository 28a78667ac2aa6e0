using System;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Formats;
using Hutch.Block.Graph;
using Hutch.Host.Files;

namespace Hutch.Block.Filters;

/// <summary>Keeps in the image what a read had to fetch from below it: whole clusters, zeros as zeros.</summary>
internal sealed class CopyOnReadNode(BlockNode child) : FilterNode(child)
{
    private const int ChunkBytes = 2 << 20;
    private const int SmallestUnitBytes = 4096;

    private readonly SemaphoreSlim _copying = new(1);

    /// <inheritdoc/>
    public override async ValueTask ReadAsync(long offset, IoVector destination, CancellationToken cancellation)
    {
        CheckRange(offset, destination.LengthBytes);
        if (destination.LengthBytes > 0)
        {
            await _copying.WaitAsync(cancellation).ConfigureAwait(false);
            try
            {
                await FillAsync(offset, offset + destination.LengthBytes, cancellation).ConfigureAwait(false);
            }
            finally
            {
                _copying.Release();
            }
        }
        await Child.ReadAsync(offset, destination, cancellation).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public override ValueTask DisposeAsync()
    {
        _copying.Dispose();
        return base.DisposeAsync();
    }

    private async ValueTask FillAsync(long start, long end, CancellationToken cancellation)
    {
        int unit = Math.Max(ClusterBytesOf(Child), SmallestUnitBytes);
        start = start / unit * unit;
        end = Math.Min(LengthBytes, (end + unit - 1) / unit * unit);
        NativeBuffer? buffer = null;
        try
        {
            while (start < end)
            {
                BlockExtent extent = await Child.GetExtentAsync(start, end - start, cancellation).ConfigureAwait(false);
                if (extent.Kind == BlockExtentKind.Unallocated)
                {
                    buffer ??= new NativeBuffer(ChunkBytes);
                    await CopyAsync(buffer, start, Math.Min(end, start + extent.LengthBytes), cancellation).ConfigureAwait(false);
                }
                start += extent.LengthBytes;
            }
        }
        finally
        {
            buffer?.Dispose();
        }
    }

    private async ValueTask CopyAsync(NativeBuffer buffer, long start, long end, CancellationToken cancellation)
    {
        while (start < end)
        {
            int length = (int)Math.Min(ChunkBytes, end - start);
            IoVector vector = new(new[] { buffer.Segment(0, length) });
            await Child.ReadAsync(start, vector, cancellation).ConfigureAwait(false);
            (FindBlkdebug(Child))?.Raise("cor_write");
            if (buffer.Span[..length].ContainsAnyExcept((byte)0)) await Child.WriteAsync(start, vector, WriteFlags.None, cancellation).ConfigureAwait(false);
            else await Child.WriteZeroesAsync(start, length, WriteFlags.None, cancellation).ConfigureAwait(false);
            start += length;
        }
    }

    private static int ClusterBytesOf(BlockNode node) => node switch
    {
        ImageNode image => image.ClusterBytes,
        FilterNode filter => ClusterBytesOf(filter.Child),
        _ => 0,
    };

    private static BlkdebugNode? FindBlkdebug(BlockNode node) => node as BlkdebugNode ?? (node is FilterNode filter ? FindBlkdebug(filter.Child) : null);
}
