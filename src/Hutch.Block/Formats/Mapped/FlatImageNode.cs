using System.Collections.Immutable;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Graph;

namespace Hutch.Block.Formats.Mapped;

/// <summary>An image whose disk lies in its file as it is: from the file's beginning, with something of the format's behind it.</summary>
internal abstract class FlatImageNode : ImageNode
{
    private readonly BlockNode _file;

    /// <summary>Makes the node and owns <paramref name="file"/>.</summary>
    protected FlatImageNode(BlockNode file, long lengthBytes, bool readOnly)
    {
        _file = file;
        LengthBytes = lengthBytes;
        Limits = file.Limits with { IsReadOnly = readOnly || file.Limits.IsReadOnly };
    }

    /// <inheritdoc/>
    public override long LengthBytes { get; }

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
        CheckWritable(offset, source.LengthBytes);
        return _file.WriteAsync(offset, source, flags, cancellation);
    }

    /// <inheritdoc/>
    public override ValueTask WriteZeroesAsync(long offset, long lengthBytes, WriteFlags flags, CancellationToken cancellation)
    {
        CheckWritable(offset, lengthBytes);
        return _file.WriteZeroesAsync(offset, lengthBytes, flags, cancellation);
    }

    /// <inheritdoc/>
    public override ValueTask DiscardAsync(long offset, long lengthBytes, CancellationToken cancellation)
    {
        CheckWritable(offset, lengthBytes);
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
    public override ValueTask DisposeAsync() => _file.DisposeAsync();

    private void CheckWritable(long offset, long lengthBytes)
    {
        CheckRange(offset, lengthBytes);
        if (Limits.IsReadOnly) throw new BlockIoException($"\"{Filename}\" was opened read-only.");
    }
}
