using System;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Graph;

namespace Hutch.Block.Simulation;

/// <summary>Storage that keeps nothing (null-co): writes vanish, reads find zeros, or leave the memory as it is where not even that is to be paid for.</summary>
internal sealed class NullNode : BlockNode
{
    private readonly bool _readZeroes;
    private long _lengthBytes;

    /// <summary>Makes a node.</summary>
    /// <param name="lengthBytes">Length in bytes.</param>
    /// <param name="readZeroes">Reads fill their memory with zeros.</param>
    internal NullNode(long lengthBytes, bool readZeroes = true)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(lengthBytes);
        (_lengthBytes, _readZeroes) = (lengthBytes, readZeroes);
    }

    /// <inheritdoc/>
    public override long LengthBytes => _lengthBytes;

    /// <inheritdoc/>
    public override BlockLimits Limits { get; } = new() { CanDiscard = true, HasFastZeroes = true };

    /// <inheritdoc/>
    public override string Filename => "null-co://";

    /// <inheritdoc/>
    public override ValueTask ReadAsync(long offset, IoVector destination, CancellationToken cancellation)
    {
        ValueTask done = Nothing(offset, destination.LengthBytes, cancellation);
        if (_readZeroes) destination.Clear();
        return done;
    }

    /// <inheritdoc/>
    public override ValueTask WriteAsync(long offset, IoVector source, WriteFlags flags, CancellationToken cancellation) => Nothing(offset, source.LengthBytes, cancellation);

    /// <inheritdoc/>
    public override ValueTask WriteZeroesAsync(long offset, long lengthBytes, WriteFlags flags, CancellationToken cancellation) => Nothing(offset, lengthBytes, cancellation);

    /// <inheritdoc/>
    public override ValueTask DiscardAsync(long offset, long lengthBytes, CancellationToken cancellation) => Nothing(offset, lengthBytes, cancellation);

    /// <inheritdoc/>
    public override ValueTask FlushAsync(CancellationToken cancellation) => Nothing(0, 0, cancellation);

    /// <inheritdoc/>
    public override ValueTask<BlockExtent> GetExtentAsync(long offset, long lengthBytes, CancellationToken cancellation)
    {
        CheckRange(offset, lengthBytes);
        ArgumentOutOfRangeException.ThrowIfLessThan(lengthBytes, 1);
        return new(new BlockExtent(_readZeroes ? BlockExtentKind.Zero : BlockExtentKind.Data, lengthBytes) { FileOffset = offset, File = this });
    }

    /// <inheritdoc/>
    public override ValueTask ResizeAsync(long lengthBytes, Preallocation preallocation, CancellationToken cancellation)
    {
        _lengthBytes = lengthBytes;
        return ValueTask.CompletedTask;
    }

    /// <inheritdoc/>
    public override ValueTask DisposeAsync() => ValueTask.CompletedTask;

    private ValueTask Nothing(long offset, long lengthBytes, CancellationToken cancellation)
    {
        CheckRange(offset, lengthBytes);
        cancellation.ThrowIfCancellationRequested();
        return ValueTask.CompletedTask;
    }
}
