using System;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Graph;
using Hutch.Host.Files;

namespace Hutch.Block.Filters;

/// <summary>
/// Takes requests of any offset and length for a child that wants whole blocks: reads more than was asked, and reads before it writes a block in part. Writes that
/// share a block wait for each other.
/// </summary>
internal sealed class AlignmentNode : FilterNode
{
    private const int LongestBounceBytes = 1 << 20;

    private readonly RangeLocks _ranges = new();
    private readonly int _block;

    /// <summary>Makes a node over <paramref name="child"/> and owns that.</summary>
    internal AlignmentNode(BlockNode child) : base(child)
    {
        _block = child.Limits.RequestAlignmentBytes;
        Limits = child.Limits with { RequestAlignmentBytes = 1 };
    }

    /// <inheritdoc/>
    public override BlockLimits Limits { get; }

    /// <inheritdoc/>
    public override ValueTask ReadAsync(long offset, IoVector destination, CancellationToken cancellation)
    {
        CheckRange(offset, destination.LengthBytes);
        return IsAligned(offset, destination.LengthBytes) ? Child.ReadAsync(offset, destination, cancellation) : ReadBouncedAsync(offset, destination, cancellation);
    }

    /// <inheritdoc/>
    public override async ValueTask WriteAsync(long offset, IoVector source, WriteFlags flags, CancellationToken cancellation)
    {
        CheckRange(offset, source.LengthBytes);
        cancellation.ThrowIfCancellationRequested();
        (long start, long end) = Around(offset, source.LengthBytes);
        int ticket = await _ranges.AcquireAsync(start, end - start).ConfigureAwait(false);
        try
        {
            if (IsAligned(offset, source.LengthBytes)) await Child.WriteAsync(offset, source, flags, cancellation).ConfigureAwait(false);
            else await WriteBouncedAsync(offset, source, flags, cancellation).ConfigureAwait(false);
        }
        finally
        {
            _ranges.Release(ticket);
        }
    }

    /// <inheritdoc/>
    public override async ValueTask WriteZeroesAsync(long offset, long lengthBytes, WriteFlags flags, CancellationToken cancellation)
    {
        CheckRange(offset, lengthBytes);
        cancellation.ThrowIfCancellationRequested();
        (long start, long end) = Around(offset, lengthBytes);
        int ticket = await _ranges.AcquireAsync(start, end - start).ConfigureAwait(false);
        try
        {
            using NativeBuffer zeros = new(_block);
            long first = (offset + _block - 1) / _block * _block, last = (offset + lengthBytes) / _block * _block;
            WriteFlags data = flags & WriteFlags.Durable;
            if (first >= last)
            {
                // No block is zeroed whole: at most the end of one and the beginning of the next.
                for (long at = offset; at < offset + lengthBytes;)
                {
                    int length = (int)Math.Min(offset + lengthBytes - at, _block - (at % _block));
                    await WriteBouncedAsync(at, new IoVector(new[] { zeros.Segment(0, length) }), data, cancellation).ConfigureAwait(false);
                    at += length;
                }
                return;
            }
            if (first != offset) await WriteBouncedAsync(offset, new IoVector(new[] { zeros.Segment(0, (int)(first - offset)) }), data, cancellation).ConfigureAwait(false);
            await Child.WriteZeroesAsync(first, last - first, flags, cancellation).ConfigureAwait(false);
            int tail = (int)(offset + lengthBytes - last);
            if (tail != 0) await WriteBouncedAsync(last, new IoVector(new[] { zeros.Segment(0, tail) }), data, cancellation).ConfigureAwait(false);
        }
        finally
        {
            _ranges.Release(ticket);
        }
    }

    /// <inheritdoc/>
    public override async ValueTask DiscardAsync(long offset, long lengthBytes, CancellationToken cancellation)
    {
        CheckRange(offset, lengthBytes);
        cancellation.ThrowIfCancellationRequested();
        long first = (offset + _block - 1) / _block * _block, last = (offset + lengthBytes) / _block * _block;
        if (first >= last) return;
        int ticket = await _ranges.AcquireAsync(first, last - first).ConfigureAwait(false);
        try
        {
            await Child.DiscardAsync(first, last - first, cancellation).ConfigureAwait(false);
        }
        finally
        {
            _ranges.Release(ticket);
        }
    }

    /// <inheritdoc/>
    public override async ValueTask<BlockExtent> GetExtentAsync(long offset, long lengthBytes, CancellationToken cancellation)
    {
        CheckRange(offset, lengthBytes);
        (long start, long end) = Around(offset, lengthBytes);
        BlockExtent extent = await Child.GetExtentAsync(start, end - start, cancellation).ConfigureAwait(false);
        return extent with
        {
            LengthBytes = Math.Min(lengthBytes, extent.LengthBytes - (offset - start)),
            FileOffset = extent.FileOffset < 0 ? -1 : extent.FileOffset + (offset - start),
        };
    }

    private bool IsAligned(long offset, long lengthBytes) => ((offset | lengthBytes) & (_block - 1)) == 0;

    private (long Start, long End) Around(long offset, long lengthBytes) => (offset / _block * _block, (offset + lengthBytes + _block - 1) / _block * _block);

    private async ValueTask ReadBouncedAsync(long offset, IoVector destination, CancellationToken cancellation)
    {
        (long start, long end) = Around(offset, destination.LengthBytes);
        if (start == end) return;
        using NativeBuffer buffer = new((int)Math.Min(end - start, LongestBounceBytes));
        for (long at = start; at < end;)
        {
            int length = (int)Math.Min(buffer.LengthBytes, end - at);
            await Child.ReadAsync(at, new IoVector(new[] { buffer.Segment(0, length) }), cancellation).ConfigureAwait(false);
            long from = Math.Max(at, offset), to = Math.Min(at + length, offset + destination.LengthBytes);
            destination.Slice(from - offset, to - from).CopyFrom(buffer.Span[(int)(from - at)..(int)(to - at)]);
            at += length;
        }
    }

    private async ValueTask WriteBouncedAsync(long offset, IoVector source, WriteFlags flags, CancellationToken cancellation)
    {
        (long start, long end) = Around(offset, source.LengthBytes);
        if (source.LengthBytes == 0) return;
        using NativeBuffer buffer = new((int)Math.Min(end - start, LongestBounceBytes));
        for (long at = start; at < end;)
        {
            int length = (int)Math.Min(buffer.LengthBytes, end - at);
            long from = Math.Max(at, offset), to = Math.Min(at + length, offset + source.LengthBytes);
            if (from != at) await Child.ReadAsync(at, new IoVector(new[] { buffer.Segment(0, _block) }), cancellation).ConfigureAwait(false);
            if (to != at + length) await Child.ReadAsync(at + length - _block, new IoVector(new[] { buffer.Segment(length - _block, _block) }), cancellation).ConfigureAwait(false);
            source.Slice(from - offset, to - from).CopyTo(buffer.Span[(int)(from - at)..(int)(to - at)]);
            await Child.WriteAsync(at, new IoVector(new[] { buffer.Segment(0, length) }), flags, cancellation).ConfigureAwait(false);
            at += length;
        }
    }
}
