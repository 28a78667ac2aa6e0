using System;
using System.Threading;
using Hutch.Block.Graph;
using Hutch.Host.Files;

namespace Hutch.Block.Jobs;

/// <summary>
/// Makes an image independent of its backing image: copies into it what the old one shows and a new one would show otherwise. Afterwards the reference
/// can be changed.
/// </summary>
public sealed class RebaseJob(BlockNode image, BlockNode? oldBacking, BlockNode? newBacking, Action<double>? progress, CancellationToken cancellation) : IDisposable
{
    private const int SectorBytes = 512, ChunkBytes = 1 << 20;

    private readonly NativeBuffer _old = new(ChunkBytes), _new = new(ChunkBytes);

    /// <summary>Copies. Throws <see cref="BlockIoException"/>.</summary>
    public void Run()
    {
        if (oldBacking is null && newBacking is null) return;
        long length = image.LengthBytes;
        for (long at = 0; at < length;)
        {
            // Chunks begin at multiples of their size, so that clusters are not cut.
            long most = Math.Min(ChunkBytes - (at % ChunkBytes), length - at);
            BlockExtent extent = Blocking.Wait(image.GetExtentAsync(at, length - at, cancellation));
            long part = extent.Kind == BlockExtentKind.Unallocated ? Math.Min(extent.LengthBytes, most) : extent.LengthBytes;
            if (extent.Kind == BlockExtentKind.Unallocated) part = Adopt(at, part);
            at += part;
            progress?.Invoke((double)at / length);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _old.Dispose();
        _new.Dispose();
    }

    // Looks at a range that the image does not have; the bytes that are settled then.
    private long Adopt(long offset, long length)
    {
        if (IsZero(oldBacking, offset, ref length) && IsZero(newBacking, offset, ref length)) return length;
        int part = (int)Math.Min(length, ChunkBytes);
        Read(oldBacking, offset, part, _old);
        Read(newBacking, offset, part, _new);
        Span<byte> before = _old.Span[..part], after = _new.Span[..part];
        for (int at = 0; at < part;)
        {
            int start = at + (before[at..].CommonPrefixLength(after[at..]) / SectorBytes * SectorBytes);
            if (start >= part) break;
            int end = start;
            while (end < part)
            {
                int next = Math.Min(end + SectorBytes, part);
                if (before[end..next].SequenceEqual(after[end..next])) break;
                end = next;
            }
            if (end == start) break;
            Store(offset, start, end);
            at = end;
        }
        return part;
    }

    // Where the old image has nothing, zeros need no place; zeros that it has are data in the new place too, as with QEMU.
    private void Store(long offset, int start, int end)
    {
        if (oldBacking is null || offset >= oldBacking.LengthBytes) Blocking.Wait(image.WriteZeroesAsync(offset + start, end - start, WriteFlags.None, cancellation));
        else Blocking.Wait(image.WriteAsync(offset + start, new IoVector(new[] { _old.Segment(start, end - start) }), WriteFlags.None, cancellation));
    }

    private bool IsZero(BlockNode? node, long offset, ref long length)
    {
        if (node is null || offset >= node.LengthBytes) return true;
        ChainExtent extent = Blocking.Wait(ChainExtent.FindAsync(node, offset, Math.Min(length, node.LengthBytes - offset), null, cancellation));
        length = Math.Min(length, extent.LengthBytes);
        return extent.IsZero;
    }

    // What is behind the end of a shorter image reads as zeros.
    private void Read(BlockNode? node, long offset, int length, NativeBuffer buffer)
    {
        int present = node is null ? 0 : (int)Math.Clamp(node.LengthBytes - offset, 0, length);
        if (present > 0) Blocking.Wait(node!.ReadAsync(offset, new IoVector(new[] { buffer.Segment(0, present) }), cancellation));
        buffer.Span[present..length].Clear();
    }
}
