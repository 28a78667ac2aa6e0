using System.Collections.Immutable;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Graph;

namespace Hutch.Block.Filters;

/// <summary>Passes another node through; subclasses change what they are for. Owns the node.</summary>
internal abstract class FilterNode(BlockNode child) : BlockNode
{
    /// <summary>The node below.</summary>
    internal BlockNode Child { get; } = child;

    /// <inheritdoc/>
    public override long LengthBytes => Child.LengthBytes;

    /// <inheritdoc/>
    public override BlockLimits Limits => Child.Limits;

    /// <inheritdoc/>
    public override string Filename => Child.Filename;

    /// <inheritdoc/>
    public override ImmutableArray<BlockEdge> Children => [new(BlockEdgeKind.Filtered, Child)];

    /// <inheritdoc/>
    public override ValueTask ReadAsync(long offset, IoVector destination, CancellationToken cancellation) => Child.ReadAsync(offset, destination, cancellation);

    /// <inheritdoc/>
    public override ValueTask WriteAsync(long offset, IoVector source, WriteFlags flags, CancellationToken cancellation) => Child.WriteAsync(offset, source, flags, cancellation);

    /// <inheritdoc/>
    public override ValueTask WriteZeroesAsync(long offset, long lengthBytes, WriteFlags flags, CancellationToken cancellation) =>
        Child.WriteZeroesAsync(offset, lengthBytes, flags, cancellation);

    /// <inheritdoc/>
    public override ValueTask DiscardAsync(long offset, long lengthBytes, CancellationToken cancellation) => Child.DiscardAsync(offset, lengthBytes, cancellation);

    /// <inheritdoc/>
    public override bool IsZeroWhenNew => Child.IsZeroWhenNew;

    /// <inheritdoc/>
    public override ValueTask FlushAsync(CancellationToken cancellation) => Child.FlushAsync(cancellation);

    /// <inheritdoc/>
    public override ValueTask<BlockExtent> GetExtentAsync(long offset, long lengthBytes, CancellationToken cancellation) => Child.GetExtentAsync(offset, lengthBytes, cancellation);

    /// <inheritdoc/>
    public override ValueTask ResizeAsync(long lengthBytes, Preallocation preallocation, CancellationToken cancellation) =>
        Child.ResizeAsync(lengthBytes, preallocation, cancellation);

    /// <inheritdoc/>
    public override ValueTask DisposeAsync() => Child.DisposeAsync();
}
