using System;
using System.Threading;
using Hutch.Block.Graph;
using Hutch.Host.Files;

namespace Hutch.Block.Jobs;

/// <summary>How two images compare.</summary>
public enum CompareOutcome
{
    /// <summary>The same content; one may be longer by zeros.</summary>
    Same,

    /// <summary>The content differs at the offset.</summary>
    ContentDiffers,

    /// <summary>Strict mode: the lengths differ.</summary>
    LengthDiffers,

    /// <summary>Strict mode: one has at the offset what the other has not.</summary>
    AllocationDiffers,
}

/// <summary>Reading one of two compared images failed.</summary>
/// <param name="message">Which, where and why.</param>
/// <param name="isStatus">It was asked what it has, not for data.</param>
/// <param name="cause">The failure.</param>
public sealed class CompareException(string message, bool isStatus, Exception cause) : Exception(message, cause)
{
    /// <summary>It was asked what it has, not for data.</summary>
    public bool IsStatus { get; } = isStatus;
}

/// <summary>Compares two images by content.</summary>
public sealed class CompareJob(BlockNode first, BlockNode second, bool isStrict, Action<double>? progress, CancellationToken cancellation) : IDisposable
{
    private const int SectorBytes = 512, ChunkBytes = 1 << 20;

    private readonly NativeBuffer _one = new(ChunkBytes), _two = new(ChunkBytes);

    /// <summary>Where the images differ, in bytes.</summary>
    public long Offset { get; private set; }

    /// <summary>The images were the same as far as the shorter one goes.</summary>
    public bool IsInTail { get; private set; }

    /// <summary>Compares. Throws <see cref="CompareException"/>.</summary>
    public CompareOutcome Run()
    {
        if (isStrict && first.LengthBytes != second.LengthBytes) return CompareOutcome.LengthDiffers;
        long common = Math.Min(first.LengthBytes, second.LengthBytes), all = Math.Max(first.LengthBytes, second.LengthBytes);
        for (long at = 0; at < common;)
        {
            ChainExtent one = Find(first, at, common - at), two = Find(second, at, common - at);
            Offset = at;
            if (isStrict && (one.IsAllocated, one.IsData, one.IsZero) != (two.IsAllocated, two.IsData, two.IsZero)) return CompareOutcome.AllocationDiffers;
            long length = Math.Min(one.LengthBytes, two.LengthBytes);
            if (!(one.IsZero && two.IsZero) && (one.IsAllocated || two.IsAllocated) && !CompareRange(at, length, one, two)) return CompareOutcome.ContentDiffers;
            at += length;
            progress?.Invoke((double)at / all);
        }
        IsInTail = true;
        BlockNode longer = first.LengthBytes > second.LengthBytes ? first : second;
        for (long at = common; at < all;)
        {
            ChainExtent extent = Find(longer, at, all - at);
            if (extent is { IsAllocated: true, IsZero: false } && !IsZero(longer, at, extent.LengthBytes)) return CompareOutcome.ContentDiffers;
            at += extent.LengthBytes;
            progress?.Invoke((double)at / all);
        }
        return CompareOutcome.Same;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _one.Dispose();
        _two.Dispose();
    }

    private bool CompareRange(long offset, long length, in ChainExtent one, in ChainExtent two)
    {
        if (one.IsZero || !one.IsAllocated) return IsZero(second, offset, length);
        if (two.IsZero || !two.IsAllocated) return IsZero(first, offset, length);
        while (length > 0)
        {
            int part = (int)Math.Min(length, ChunkBytes);
            ReadOnlySpan<byte> left = Read(first, offset, part, _one), right = Read(second, offset, part, _two);
            int same = left.CommonPrefixLength(right);
            if (same < part)
            {
                Offset = offset + (same / SectorBytes * SectorBytes);
                return false;
            }
            offset += part;
            length -= part;
        }
        return true;
    }

    private bool IsZero(BlockNode node, long offset, long length)
    {
        while (length > 0)
        {
            int part = (int)Math.Min(length, ChunkBytes);
            int at = Read(node, offset, part, _one).IndexOfAnyExcept((byte)0);
            if (at >= 0)
            {
                Offset = offset + (at / SectorBytes * SectorBytes);
                return false;
            }
            offset += part;
            length -= part;
        }
        return true;
    }

    private ReadOnlySpan<byte> Read(BlockNode node, long offset, int length, NativeBuffer buffer)
    {
        try
        {
            Blocking.Wait(node.ReadAsync(offset, new IoVector(new[] { buffer.Segment(0, length) }), cancellation));
            return buffer.Span[..length];
        }
        catch (BlockIoException e)
        {
            throw new CompareException($"Error while reading offset {offset} of {node.Filename}: {Opening.ErrorText.Of(e)}", false, e);
        }
    }

    private ChainExtent Find(BlockNode node, long offset, long length)
    {
        try
        {
            return Blocking.Wait(ChainExtent.FindAsync(node, offset, length, null, cancellation));
        }
        catch (BlockIoException e)
        {
            throw new CompareException($"Sector allocation test failed for {node.Filename}", true, e);
        }
    }
}
