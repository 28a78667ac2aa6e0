using System;
using System.Collections.Generic;
using System.Threading;
using Hutch.Block.Filters;
using Hutch.Block.Graph;
using Hutch.Host.Files;

namespace Hutch.Block.Jobs;

/// <summary>Copies what images of a chain have into the image below them.</summary>
/// <param name="layers">The images, the top first, each without what lies below it.</param>
/// <param name="target">The image below, open for writing; at least as long as the top.</param>
/// <param name="bytesPerSecond">Most bytes a second; 0 as many as possible.</param>
/// <param name="progress">Hears how much is done, 0 to 1; may be null.</param>
/// <param name="cancellation">Stops between two requests.</param>
public sealed class CommitJob(IReadOnlyList<BlockNode> layers, BlockNode target, long bytesPerSecond, Action<double>? progress, CancellationToken cancellation) : IDisposable
{
    private const int ChunkBytes = 1 << 20;

    private readonly NativeBuffer _buffer = new(ChunkBytes);
    private readonly ThrottleGroup? _rate = bytesPerSecond > 0 ? new(new ThrottleLimits { BytesWrite = new(bytesPerSecond) }, TimeProvider.System) : null;

    /// <summary>Copies. Throws <see cref="BlockIoException"/>.</summary>
    public void Run()
    {
        long length = layers[0].LengthBytes;
        for (long at = 0; at < length;)
        {
            (BlockExtent extent, BlockNode? layer) = Find(at, length - at);
            if (layer is not null) Store(layer, extent, at);
            at += extent.LengthBytes;
            progress?.Invoke((double)at / length);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _buffer.Dispose();
        _rate?.Dispose();
    }

    // The highest layer that has something here; null where none has.
    private (BlockExtent Extent, BlockNode? Layer) Find(long offset, long length)
    {
        foreach (BlockNode layer in layers)
        {
            // A layer that ends before the top shows zeros there.
            if (offset >= layer.LengthBytes) return (new BlockExtent(BlockExtentKind.Zero, length), layer);
            BlockExtent extent = Blocking.Wait(layer.GetExtentAsync(offset, Math.Min(length, layer.LengthBytes - offset), cancellation));
            if (extent.Kind != BlockExtentKind.Unallocated) return (extent, layer);
            length = extent.LengthBytes;
        }
        return (new BlockExtent(BlockExtentKind.Unallocated, length), null);
    }

    private void Store(BlockNode layer, BlockExtent extent, long offset)
    {
        if (extent.Kind == BlockExtentKind.Zero)
        {
            Blocking.Wait(target.WriteZeroesAsync(offset, extent.LengthBytes, WriteFlags.MayUnmap, cancellation));
            return;
        }
        long end = offset + extent.LengthBytes;
        while (offset < end)
        {
            int part = (int)Math.Min(end - offset, ChunkBytes);
            IoVector vector = new(new[] { _buffer.Segment(0, part) });
            if (_rate is not null) Blocking.Wait(_rate.PassAsync(isWrite: true, part, cancellation));
            Blocking.Wait(layer.ReadAsync(offset, vector, cancellation));
            Blocking.Wait(target.WriteAsync(offset, vector, WriteFlags.None, cancellation));
            offset += part;
        }
    }
}
