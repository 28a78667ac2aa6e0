using System;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Graph;

namespace Hutch.Block.Nbd;

/// <summary>Which layer of an image a run of bytes comes from.</summary>
/// <param name="LengthBytes">Length of the run, at least 1.</param>
/// <param name="IsZero">It reads as zeros.</param>
/// <param name="IsAllocated">Some layer has it; otherwise nobody does, and it is zeros.</param>
/// <param name="Depth">The layer, 1 for the image itself.</param>
internal readonly record struct NbdLayer(long LengthBytes, bool IsZero, bool IsAllocated, uint Depth)
{
    /// <summary>Looks at a range, down to the layer that has its beginning.</summary>
    internal static async ValueTask<NbdLayer> FindAsync(BlockNode node, long offset, long lengthBytes, CancellationToken cancellation)
    {
        for (uint depth = 1; ; depth++)
        {
            BlockExtent extent = await node.GetExtentAsync(offset, lengthBytes, cancellation).ConfigureAwait(false);
            lengthBytes = Math.Min(lengthBytes, extent.LengthBytes);
            if (extent.Kind != BlockExtentKind.Unallocated) return new NbdLayer(lengthBytes, extent.Kind == BlockExtentKind.Zero, true, depth);
            // What lies behind the end of a shorter image below is zeros.
            if (BackingOf(node) is not BlockNode backing || backing.LengthBytes <= offset) return new NbdLayer(lengthBytes, true, false, depth);
            lengthBytes = Math.Min(lengthBytes, backing.LengthBytes - offset);
            node = backing;
        }
    }

    // The image may lie under filters, or under another image that shows it as it is.
    private static BlockNode? BackingOf(BlockNode? node)
    {
        while (node is not null)
        {
            BlockNode? below = null;
            foreach (BlockEdge edge in node.Children)
            {
                if (edge.Kind == BlockEdgeKind.Backing) return edge.Child;
                below ??= edge.Child;
            }
            node = below;
        }
        return null;
    }
}
