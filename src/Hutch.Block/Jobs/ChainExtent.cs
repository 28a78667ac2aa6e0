using System;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Graph;

namespace Hutch.Block.Jobs;

/// <summary>A run of bytes of one kind, seen through a chain of images.</summary>
/// <param name="LengthBytes">Length in bytes, at least 1.</param>
/// <param name="Depth">How many images lie above the one that it comes from.</param>
/// <param name="IsAllocated">An image of the chain has it; otherwise it reads as zeros because nobody has.</param>
/// <param name="IsData">There is data.</param>
/// <param name="IsZero">It reads as zeros.</param>
public readonly record struct ChainExtent(long LengthBytes, int Depth, bool IsAllocated, bool IsData, bool IsZero)
{
    /// <summary>Where the bytes lie, as they are, in <see cref="File"/>; -1 where they do not.</summary>
    public long FileOffset { get; init; } = -1;

    /// <summary>The node that <see cref="FileOffset"/> is in.</summary>
    public BlockNode? File { get; init; }

    /// <summary>The data is compressed.</summary>
    public bool IsCompressed { get; init; }

    /// <summary>The other extent lies right behind this one and differs in nothing but the place.</summary>
    public bool Continues(in ChainExtent next) => Depth == next.Depth && IsAllocated == next.IsAllocated && IsData == next.IsData && IsZero == next.IsZero
        && IsCompressed == next.IsCompressed && File == next.File && (FileOffset < 0 ? next.FileOffset < 0 : next.FileOffset == FileOffset + LengthBytes);

    /// <summary>
    /// What <paramref name="top"/> shows at <paramref name="offset"/>: its own or what a backing image has, down to but without <paramref name="limit"/>
    /// (null: all). At most <paramref name="lengthBytes"/>.
    /// </summary>
    public static async ValueTask<ChainExtent> FindAsync(BlockNode top, long offset, long lengthBytes, BlockNode? limit, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(top);
        BlockNode node = top;
        for (int depth = 0; ; depth++)
        {
            long rest = node.LengthBytes - offset;
            // A backing image that ends before the one above: zeros that belong to it.
            if (rest <= 0) return new ChainExtent(lengthBytes, depth, true, false, true);
            BlockExtent extent = await node.GetExtentAsync(offset, Math.Min(lengthBytes, rest), cancellation).ConfigureAwait(false);
            if (extent.Kind != BlockExtentKind.Unallocated) return await OfAsync(extent, depth, cancellation).ConfigureAwait(false);
            lengthBytes = extent.LengthBytes;
            BlockNode? below = BackingOf(node);
            if (below is null || below == limit) return new ChainExtent(lengthBytes, depth, false, false, below is null);
            // What lies behind the backing image's end reads as zeros already here.
            if (offset >= below.LengthBytes) return new ChainExtent(lengthBytes, depth, false, false, true);
            node = below;
        }
    }

    /// <summary>The image that shows through <paramref name="node"/>; null where there is none. Filters are looked through.</summary>
    public static BlockNode? BackingOf(BlockNode node)
    {
        ArgumentNullException.ThrowIfNull(node);
        foreach (BlockEdge edge in node.Children)
        {
            if (edge.Kind == BlockEdgeKind.Backing) return edge.Child;
            if (edge.Kind == BlockEdgeKind.Filtered) return BackingOf(edge.Child);
        }
        return null;
    }

    private static async ValueTask<ChainExtent> OfAsync(BlockExtent extent, int depth, CancellationToken cancellation)
    {
        bool isZero = extent.Kind == BlockExtentKind.Zero;
        long length = extent.LengthBytes;
        if (!isZero && extent is { IsPreallocated: true, File: not null, FileOffset: >= 0 } && extent.FileOffset < extent.File.LengthBytes)
        {
            BlockExtent below = await extent.File.GetExtentAsync(extent.FileOffset, Math.Min(length, extent.File.LengthBytes - extent.FileOffset), cancellation).ConfigureAwait(false);
            isZero = below.Kind == BlockExtentKind.Zero;
            length = below.LengthBytes;
        }
        return new ChainExtent(length, depth, true, extent.Kind == BlockExtentKind.Data, isZero) { FileOffset = extent.FileOffset, File = extent.File, IsCompressed = extent.IsCompressed };
    }
}
