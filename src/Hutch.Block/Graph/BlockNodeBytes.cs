using System;
using System.Buffers;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Host.Files;

namespace Hutch.Block.Graph;

/// <summary>Requests with managed memory, for metadata: the memory is pinned while a request is in flight. Not for a guest's data.</summary>
public static class BlockNodeBytes
{
    /// <summary>Fills <paramref name="destination"/>; what lies behind the end of a file reads as zeros.</summary>
    public static async ValueTask ReadBytesAsync(this BlockNode node, long offset, Memory<byte> destination, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(node);
        if (destination.Length == 0) return;
        using MemoryHandle pin = destination.Pin();
        await node.ReadAsync(offset, VectorOf(pin, destination.Length), cancellation).ConfigureAwait(false);
    }

    /// <summary>Writes <paramref name="source"/>.</summary>
    public static async ValueTask WriteBytesAsync(this BlockNode node, long offset, ReadOnlyMemory<byte> source, WriteFlags flags, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(node);
        if (source.Length == 0) return;
        using MemoryHandle pin = source.Pin();
        await node.WriteAsync(offset, VectorOf(pin, source.Length), flags, cancellation).ConfigureAwait(false);
    }

    private static IoVector VectorOf(MemoryHandle pin, int lengthBytes) => new(new[] { IoSegment.Of(pin, lengthBytes) });
}
