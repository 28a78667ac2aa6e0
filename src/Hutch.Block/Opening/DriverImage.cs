using System;
using System.Collections.Generic;
using System.Collections.Immutable;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Filters;
using Hutch.Block.Formats;
using Hutch.Block.Graph;
using Hutch.Block.Simulation;

namespace Hutch.Block.Opening;

/// <summary>A node that is no format, shown as an image: storage whose bytes are the disk's, or a filter at the top.</summary>
internal sealed class DriverImage(BlockNode node) : ImageNode
{
    /// <inheritdoc/>
    public override ImageFormat Format { get; } = new DriverFormat(NameOf(node));

    /// <inheritdoc/>
    public override long LengthBytes => node.LengthBytes;

    /// <inheritdoc/>
    public override BlockLimits Limits => node.Limits;

    /// <inheritdoc/>
    public override string Filename => node.Filename;

    /// <inheritdoc/>
    public override ImmutableArray<BlockEdge> Children => [new(BlockEdgeKind.Filtered, node)];

    /// <inheritdoc/>
    public override ValueTask ReadAsync(long offset, IoVector destination, CancellationToken cancellation) => node.ReadAsync(offset, destination, cancellation);

    /// <inheritdoc/>
    public override ValueTask WriteAsync(long offset, IoVector source, WriteFlags flags, CancellationToken cancellation) => node.WriteAsync(offset, source, flags, cancellation);

    /// <inheritdoc/>
    public override ValueTask WriteZeroesAsync(long offset, long lengthBytes, WriteFlags flags, CancellationToken cancellation) =>
        node.WriteZeroesAsync(offset, lengthBytes, flags, cancellation);

    /// <inheritdoc/>
    public override ValueTask DiscardAsync(long offset, long lengthBytes, CancellationToken cancellation) => node.DiscardAsync(offset, lengthBytes, cancellation);

    /// <inheritdoc/>
    public override ValueTask FlushAsync(CancellationToken cancellation) => node.FlushAsync(cancellation);

    /// <inheritdoc/>
    public override ValueTask<BlockExtent> GetExtentAsync(long offset, long lengthBytes, CancellationToken cancellation) => node.GetExtentAsync(offset, lengthBytes, cancellation);

    /// <inheritdoc/>
    public override ValueTask ResizeAsync(long lengthBytes, Preallocation preallocation, CancellationToken cancellation) =>
        node.ResizeAsync(lengthBytes, preallocation, cancellation);

    /// <inheritdoc/>
    public override ValueTask DisposeAsync() => node.DisposeAsync();

    private static string NameOf(BlockNode node) => node switch
    {
        NullNode => "null-co",
        BlkdebugNode => "blkdebug",
        CopyOnReadNode => "copy-on-read",
        _ => FileNames.ProtocolOf(node.Filename) ?? "file",
    };

    private sealed class DriverFormat(string name) : ImageFormat
    {
        public override string Name => name;

        public override IReadOnlyList<CreateOption> CreateOptions => [];

        public override bool CanCreate => false;

        public override int Probe(ReadOnlySpan<byte> head, string fileName) => 0;

        public override ValueTask<ImageNode> OpenAsync(BlockNode file, ImageOpenOptions options, CancellationToken cancellation) => new(new DriverImage(file));

        public override ValueTask CreateAsync(BlockNode file, ImageCreateRequest request, CancellationToken cancellation) =>
            throw new ImageException($"Format driver '{name}' does not support image creation");
    }
}
