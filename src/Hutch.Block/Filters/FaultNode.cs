using System;
using System.Collections.Generic;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Graph;

namespace Hutch.Block.Filters;

/// <summary>Kinds of requests, for <see cref="FaultRule"/>.</summary>
[Flags]
internal enum FaultOperations
{
    /// <summary>Reads.</summary>
    Read = 1,

    /// <summary>Writes of data.</summary>
    Write = 2,

    /// <summary>Writes of zeroes.</summary>
    Zeroes = 4,

    /// <summary>Discards.</summary>
    Discard = 8,

    /// <summary>Flushes.</summary>
    Flush = 16,

    /// <summary>Changes of length.</summary>
    Resize = 32,

    /// <summary>Questions about extents.</summary>
    Extent = 64,

    /// <summary>All.</summary>
    All = 127,
}

/// <summary>What goes wrong, and when.</summary>
internal sealed record FaultRule
{
    /// <summary>Which requests.</summary>
    internal FaultOperations Operations { get; init; } = FaultOperations.All;

    /// <summary>Those that touch bytes from here on.</summary>
    internal long Offset { get; init; }

    /// <summary>So many bytes.</summary>
    internal long LengthBytes { get; init; } = long.MaxValue;

    /// <summary>So many such requests go well before.</summary>
    internal int Skip { get; init; }

    /// <summary>So many fail then.</summary>
    internal int Count { get; init; } = int.MaxValue;

    /// <summary>The error number; 0 lets the request go on, after <see cref="Before"/>.</summary>
    internal int Errno { get; init; } = BlockIoException.Eio;

    /// <summary>The child carries the request out all the same, and the failure is told then.</summary>
    internal bool AfterEffect { get; init; }

    /// <summary>Awaited first.</summary>
    internal Func<ValueTask>? Before { get; init; }
}

/// <summary>Makes storage fail on purpose, for tests and simulation (as QEMU's blkdebug does). Ranges are the child's to check.</summary>
internal sealed class FaultNode : FilterNode
{
    private readonly Lock _lock = new();
    private readonly List<(FaultRule Rule, int Seen)> _rules = [];

    /// <summary>Makes a node over <paramref name="child"/> and owns that. Nothing fails yet.</summary>
    internal FaultNode(BlockNode child) : base(child) { }

    /// <summary>Requests so far.</summary>
    internal long Requests { get; private set; }

    /// <summary>Adds a rule; the first that fits a request counts.</summary>
    internal void Add(FaultRule rule)
    {
        lock (_lock) _rules.Add((rule, 0));
    }

    /// <summary>Takes all rules away.</summary>
    internal void Clear()
    {
        lock (_lock) _rules.Clear();
    }

    /// <inheritdoc/>
    public override ValueTask ReadAsync(long offset, IoVector destination, CancellationToken cancellation) =>
        Find(FaultOperations.Read, offset, destination.LengthBytes) is FaultRule rule
            ? FailAsync(rule, () => Child.ReadAsync(offset, destination, cancellation))
            : Child.ReadAsync(offset, destination, cancellation);

    /// <inheritdoc/>
    public override ValueTask WriteAsync(long offset, IoVector source, WriteFlags flags, CancellationToken cancellation) =>
        Find(FaultOperations.Write, offset, source.LengthBytes) is FaultRule rule
            ? FailAsync(rule, () => Child.WriteAsync(offset, source, flags, cancellation))
            : Child.WriteAsync(offset, source, flags, cancellation);

    /// <inheritdoc/>
    public override ValueTask WriteZeroesAsync(long offset, long lengthBytes, WriteFlags flags, CancellationToken cancellation) =>
        Find(FaultOperations.Zeroes, offset, lengthBytes) is FaultRule rule
            ? FailAsync(rule, () => Child.WriteZeroesAsync(offset, lengthBytes, flags, cancellation))
            : Child.WriteZeroesAsync(offset, lengthBytes, flags, cancellation);

    /// <inheritdoc/>
    public override ValueTask DiscardAsync(long offset, long lengthBytes, CancellationToken cancellation) =>
        Find(FaultOperations.Discard, offset, lengthBytes) is FaultRule rule
            ? FailAsync(rule, () => Child.DiscardAsync(offset, lengthBytes, cancellation))
            : Child.DiscardAsync(offset, lengthBytes, cancellation);

    /// <inheritdoc/>
    public override ValueTask FlushAsync(CancellationToken cancellation) =>
        Find(FaultOperations.Flush, 0, long.MaxValue) is FaultRule rule ? FailAsync(rule, () => Child.FlushAsync(cancellation)) : Child.FlushAsync(cancellation);

    /// <inheritdoc/>
    public override async ValueTask<BlockExtent> GetExtentAsync(long offset, long lengthBytes, CancellationToken cancellation)
    {
        if (Find(FaultOperations.Extent, offset, lengthBytes) is FaultRule rule) await FailAsync(rule, static () => default).ConfigureAwait(false);
        return await Child.GetExtentAsync(offset, lengthBytes, cancellation).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public override ValueTask ResizeAsync(long lengthBytes, Preallocation preallocation, CancellationToken cancellation) =>
        Find(FaultOperations.Resize, 0, long.MaxValue) is FaultRule rule
            ? FailAsync(rule, () => Child.ResizeAsync(lengthBytes, preallocation, cancellation))
            : Child.ResizeAsync(lengthBytes, preallocation, cancellation);

    private FaultRule? Find(FaultOperations operation, long offset, long lengthBytes)
    {
        lock (_lock)
        {
            Requests++;
            for (int i = 0; i < _rules.Count; i++)
            {
                (FaultRule rule, int seen) = _rules[i];
                bool fits = (rule.Operations & operation) != 0 && offset - rule.Offset < rule.LengthBytes && rule.Offset - offset < lengthBytes;
                if (!fits) continue;
                _rules[i] = (rule, seen + 1);
                if (seen >= rule.Skip && (long)seen - rule.Skip < rule.Count) return rule;
            }
            return null;
        }
    }

    private async ValueTask FailAsync(FaultRule rule, Func<ValueTask> carryOut)
    {
        if (rule.Before is not null) await rule.Before().ConfigureAwait(false);
        if (rule.AfterEffect || rule.Errno == 0) await carryOut().ConfigureAwait(false);
        if (rule.Errno != 0) throw new BlockIoException($"\"{Filename}\": a failure was injected.", rule.Errno);
    }
}
