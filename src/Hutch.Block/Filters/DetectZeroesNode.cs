using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Graph;

namespace Hutch.Block.Filters;

/// <summary>
/// Writes zeros that come as data as zeroes, which takes no space in most formats. Whoever gave the memory may change it meanwhile: then either what it was
/// or zeros is written, and both were there while the write was in flight.
/// </summary>
internal sealed class DetectZeroesNode(BlockNode child, bool unmap) : FilterNode(child)
{
    private readonly WriteFlags _added = unmap ? WriteFlags.MayUnmap : WriteFlags.None;

    /// <inheritdoc/>
    public override ValueTask WriteAsync(long offset, IoVector source, WriteFlags flags, CancellationToken cancellation) =>
        source.IsZero() ? Child.WriteZeroesAsync(offset, source.LengthBytes, flags | _added, cancellation) : Child.WriteAsync(offset, source, flags, cancellation);
}
