using System.Collections.Immutable;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Graph;

namespace Hutch.Block.Formats.Raw;

/// <summary>
/// A raw image: the file's bytes are the disk's. A length that is not a whole number of sectors is rounded up; what is behind the end of
/// the file reads as zeros, and writing it extends the file.
/// </summary>
internal sealed class RawNode : ImageNode
{
    private const int SectorBytes = 512;

    private readonly BlockNode _file;

    /// <summary>Makes a raw node over <paramref name="file"/> and owns it.</summary>
    internal RawNode(BlockNode file)
    {
        _file = file;
        Limits = file.Limits with { RequestAlignmentBytes = 1 };
    }

    /// <inheritdoc/>
    public override long LengthBytes => (_file.LengthBytes + (SectorBytes - 1)) & -SectorBytes;

    /// <inheritdoc/>
    public override ImageFormat Format => RawFormat.Instance;

    /// <inheritdoc/>
    public override BlockLimits Limits { get; }

    /// <inheritdoc/>
    public override ImmutableArray<BlockEdge> Children => [new(BlockEdgeKind.Protocol, _file)];

    /// <inheritdoc/>
    public override ValueTask ReadAsync(long offset, IoVector destination, CancellationToken cancellation)
    {
        CheckRange(offset, destination.LengthBytes);
        return _file.ReadAsync(offset, destination, cancellation);
    }

    /// <inheritdoc/>
    public override ValueTask WriteAsync(long offset, IoVector source, WriteFlags flags, CancellationToken cancellation)
    {
        CheckRange(offset, source.LengthBytes);
        return _file.WriteAsync(offset, source, flags, cancellation);
    }

    /// <inheritdoc/>
    public override ValueTask WriteZeroesAsync(long offset, long lengthBytes, WriteFlags flags, CancellationToken cancellation)
    {
        CheckRange(offset, lengthBytes);
        return _file.WriteZeroesAsync(offset, lengthBytes, flags, cancellation);
    }

    /// <inheritdoc/>
    public override ValueTask DiscardAsync(long offset, long lengthBytes, CancellationToken cancellation)
    {
        CheckRange(offset, lengthBytes);
        return _file.DiscardAsync(offset, lengthBytes, cancellation);
    }

    /// <inheritdoc/>
    public override ValueTask FlushAsync(CancellationToken cancellation) => _file.FlushAsync(cancellation);

    /// <inheritdoc/>
    public override ValueTask<BlockExtent> GetExtentAsync(long offset, long lengthBytes, CancellationToken cancellation)
    {
        CheckRange(offset, lengthBytes);
        return _file.GetExtentAsync(offset, lengthBytes, cancellation);
    }

    /// <inheritdoc/>
    public override ValueTask ResizeAsync(long lengthBytes, Preallocation preallocation, CancellationToken cancellation) =>
        _file.ResizeAsync(lengthBytes, preallocation, cancellation);

    /// <inheritdoc/>
    public override ValueTask DisposeAsync() => _file.DisposeAsync();
}
