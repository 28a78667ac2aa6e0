using System.Collections.Immutable;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Graph;

namespace Hutch.Block.Formats.Mapped;

/// <summary>An image of one <see cref="BlockMap"/>: checks requests and passes them on.</summary>
internal abstract class MappedImageNode : ImageNode
{
    private readonly BlockMap _map;

    /// <summary>Makes the node and owns the map and its nodes.</summary>
    protected MappedImageNode(BlockMap map, bool readOnly)
    {
        _map = map;
        Limits = LimitsOf(map.File, map.Backing, readOnly, map.BlockBytes);
    }

    /// <inheritdoc/>
    public override long LengthBytes => _map.LengthBytes;

    /// <inheritdoc/>
    public override BlockLimits Limits { get; }

    /// <inheritdoc/>
    public override int ClusterBytes => _map.BlockBytes;

    /// <inheritdoc/>
    public override ImmutableArray<BlockEdge> Children => _map.Backing is BlockNode backing
        ? [new(BlockEdgeKind.Protocol, _map.File), new(BlockEdgeKind.Backing, backing)]
        : [new(BlockEdgeKind.Protocol, _map.File)];

    /// <inheritdoc/>
    public override ValueTask ReadAsync(long offset, IoVector destination, CancellationToken cancellation)
    {
        CheckRange(offset, destination.LengthBytes);
        return _map.ReadAsync(offset, destination, cancellation);
    }

    /// <inheritdoc/>
    public override ValueTask WriteAsync(long offset, IoVector source, WriteFlags flags, CancellationToken cancellation)
    {
        CheckWritable(offset, source.LengthBytes);
        return _map.WriteAsync(offset, source, flags, cancellation);
    }

    /// <inheritdoc/>
    public override ValueTask WriteZeroesAsync(long offset, long lengthBytes, WriteFlags flags, CancellationToken cancellation)
    {
        CheckWritable(offset, lengthBytes);
        return _map.WriteZeroesAsync(offset, lengthBytes, flags, cancellation);
    }

    /// <inheritdoc/>
    public override ValueTask DiscardAsync(long offset, long lengthBytes, CancellationToken cancellation)
    {
        CheckWritable(offset, lengthBytes);
        return _map.DiscardAsync(offset, lengthBytes, cancellation);
    }

    /// <inheritdoc/>
    public override ValueTask FlushAsync(CancellationToken cancellation) => _map.FlushAsync(cancellation);

    /// <inheritdoc/>
    public override ValueTask<BlockExtent> GetExtentAsync(long offset, long lengthBytes, CancellationToken cancellation)
    {
        CheckRange(offset, lengthBytes);
        System.ArgumentOutOfRangeException.ThrowIfLessThan(lengthBytes, 1);
        return _map.GetExtentAsync(offset, lengthBytes, cancellation);
    }

    /// <summary>Stores what is not stored yet, then closes.</summary>
    public override async ValueTask DisposeAsync()
    {
        try
        {
            if (!Limits.IsReadOnly) await _map.CloseAsync(default).ConfigureAwait(false);
        }
        finally
        {
            _map.Dispose();
            await _map.File.DisposeAsync().ConfigureAwait(false);
            if (_map.Backing is BlockNode backing) await backing.DisposeAsync().ConfigureAwait(false);
        }
    }

    /// <summary>The limits of an image in blocks.</summary>
    internal static BlockLimits LimitsOf(BlockNode file, BlockNode? backing, bool readOnly, int blockBytes) => new()
    {
        IsReadOnly = readOnly || file.Limits.IsReadOnly,
        RequestAlignmentBytes = System.Math.Max(file.Limits.RequestAlignmentBytes, backing?.Limits.RequestAlignmentBytes ?? 1),
        PhysicalBlockBytes = file.Limits.PhysicalBlockBytes,
        CanDiscard = file.Limits.CanDiscard && !readOnly,
        DiscardAlignmentBytes = file.Limits.DiscardAlignmentBytes,
        HasFastZeroes = file.Limits.HasFastZeroes,
    };

    private void CheckWritable(long offset, long lengthBytes)
    {
        CheckRange(offset, lengthBytes);
        if (Limits.IsReadOnly) throw new BlockIoException($"\"{Filename}\" was opened read-only.");
    }
}
