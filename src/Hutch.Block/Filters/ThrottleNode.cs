using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Graph;

namespace Hutch.Block.Filters;

/// <summary>Slows requests down to the limits of a group. Flushes pass at once.</summary>
internal sealed class ThrottleNode : FilterNode
{
    private readonly ThrottleGroup _group;

    /// <summary>Makes a node over <paramref name="child"/> and owns that; the group is the caller's.</summary>
    internal ThrottleNode(BlockNode child, ThrottleGroup group) : base(child) => _group = group;

    /// <inheritdoc/>
    public override ValueTask ReadAsync(long offset, IoVector destination, CancellationToken cancellation)
    {
        CheckRange(offset, destination.LengthBytes);
        ValueTask pass = _group.PassAsync(isWrite: false, destination.LengthBytes, cancellation);
        return pass.IsCompletedSuccessfully ? Child.ReadAsync(offset, destination, cancellation) : Later(pass, this, offset, destination, cancellation);

        static async ValueTask Later(ValueTask pass, ThrottleNode node, long offset, IoVector destination, CancellationToken cancellation)
        {
            await pass.ConfigureAwait(false);
            await node.Child.ReadAsync(offset, destination, cancellation).ConfigureAwait(false);
        }
    }

    /// <inheritdoc/>
    public override ValueTask WriteAsync(long offset, IoVector source, WriteFlags flags, CancellationToken cancellation)
    {
        CheckRange(offset, source.LengthBytes);
        ValueTask pass = _group.PassAsync(isWrite: true, source.LengthBytes, cancellation);
        return pass.IsCompletedSuccessfully ? Child.WriteAsync(offset, source, flags, cancellation) : Later(pass, this, offset, source, flags, cancellation);

        static async ValueTask Later(ValueTask pass, ThrottleNode node, long offset, IoVector source, WriteFlags flags, CancellationToken cancellation)
        {
            await pass.ConfigureAwait(false);
            await node.Child.WriteAsync(offset, source, flags, cancellation).ConfigureAwait(false);
        }
    }

    /// <inheritdoc/>
    public override async ValueTask WriteZeroesAsync(long offset, long lengthBytes, WriteFlags flags, CancellationToken cancellation)
    {
        CheckRange(offset, lengthBytes);
        await _group.PassAsync(isWrite: true, lengthBytes, cancellation).ConfigureAwait(false);
        await Child.WriteZeroesAsync(offset, lengthBytes, flags, cancellation).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public override async ValueTask DiscardAsync(long offset, long lengthBytes, CancellationToken cancellation)
    {
        CheckRange(offset, lengthBytes);
        await _group.PassAsync(isWrite: true, lengthBytes, cancellation).ConfigureAwait(false);
        await Child.DiscardAsync(offset, lengthBytes, cancellation).ConfigureAwait(false);
    }
}
