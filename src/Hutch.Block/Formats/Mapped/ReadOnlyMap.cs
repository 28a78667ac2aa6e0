using System;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Graph;

namespace Hutch.Block.Formats.Mapped;

/// <summary>A map of a format that is read and never written.</summary>
internal abstract class ReadOnlyMap(BlockNode file, BlockNode? backing, long lengthBytes, int blockBytes) : BlockMap(file, backing, lengthBytes, blockBytes)
{
    /// <inheritdoc/>
    protected sealed override ValueTask<BlockPlaces> ReserveAsync(long block, int count, CancellationToken cancellation) => throw new NotSupportedException();

    /// <inheritdoc/>
    protected sealed override ValueTask LinkAsync(long block, int count, long fileOffset, CancellationToken cancellation) => throw new NotSupportedException();

    /// <inheritdoc/>
    protected sealed override ValueTask StoreAsync(CancellationToken cancellation) => throw new NotSupportedException();
}
