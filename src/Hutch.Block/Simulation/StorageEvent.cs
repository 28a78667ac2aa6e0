using System;

namespace Hutch.Block.Simulation;

/// <summary>What was asked of storage.</summary>
internal enum StorageEventKind
{
    /// <summary>Data was written.</summary>
    Write,

    /// <summary>A range was zeroed.</summary>
    Zeroes,

    /// <summary>A range was discarded.</summary>
    Discard,

    /// <summary>The length was changed.</summary>
    Resize,

    /// <summary>What had completed was to become durable.</summary>
    Flush,
}

/// <summary>
/// A request that changed storage, as <see cref="RecordingNode"/> saw it. Moments count beginnings and completions of requests from 1 on, each once, in the
/// order in which they happened.
/// </summary>
internal sealed class StorageEvent
{
    /// <summary>What was asked.</summary>
    internal required StorageEventKind Kind { get; init; }

    /// <summary>Where it begins, in bytes; of a resize, the new length.</summary>
    internal long Offset { get; init; }

    /// <summary>How long it is, in bytes.</summary>
    internal long LengthBytes { get; init; }

    /// <summary>What was written; empty for other kinds.</summary>
    internal ReadOnlyMemory<byte> Data { get; init; }

    /// <summary>Durable once it completed (force unit access).</summary>
    internal bool IsDurable { get; init; }

    /// <summary>The moment at which it was asked.</summary>
    internal required long BegunAt { get; init; }

    /// <summary>The moment at which its completion was told; <see cref="long.MaxValue"/> while it is in flight.</summary>
    internal long CompletedAt { get; set; } = long.MaxValue;

    /// <summary>For messages of failed simulations.</summary>
    public override string ToString() => $"{Kind} {Offset}+{LengthBytes}{(IsDurable ? " durable" : "")} [{BegunAt}, {(CompletedAt == long.MaxValue ? "in flight" : CompletedAt)}]";
}
