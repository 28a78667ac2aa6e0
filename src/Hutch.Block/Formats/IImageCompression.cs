using System;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Graph;

namespace Hutch.Block.Formats;

/// <summary>
/// Stores clusters compressed in two steps, so that many can be compressed at once and still be laid out in the disk's order. One step is
/// <see cref="WriteFlags.Compressed"/>.
/// </summary>
public interface IImageCompression
{
    /// <summary>
    /// Compresses one whole cluster (<see cref="ImageNode.ClusterBytes"/>) on the caller's thread; any number of threads at once. The result's length in
    /// <paramref name="destination"/> (as long as a cluster), or -1 where it would not be shorter.
    /// </summary>
    int Compress(ReadOnlySpan<byte> cluster, Span<byte> destination);

    /// <summary>Stores what <see cref="Compress"/> made as the cluster at <paramref name="offset"/>.</summary>
    ValueTask WriteCompressedAsync(long offset, IoVector compressed, CancellationToken cancellation);
}
