namespace Hutch.Block.Graph;

/// <summary>What requests to a node must look like and which are worth making.</summary>
public sealed record BlockLimits
{
    /// <summary>The node cannot be written.</summary>
    public bool IsReadOnly { get; init; }

    /// <summary>Offsets and lengths are multiples of this, a power of two.</summary>
    public int RequestAlignmentBytes { get; init; } = 1;

    /// <summary>The size below which a write makes the storage read first; at least the request alignment.</summary>
    public int PhysicalBlockBytes { get; init; } = 512;

    /// <summary>Discards have an effect.</summary>
    public bool CanDiscard { get; init; }

    /// <summary>Discards of whole multiples of this, aligned to it, are the useful ones.</summary>
    public int DiscardAlignmentBytes { get; init; } = 4096;

    /// <summary>
    /// How a file that grows is best made longer ahead of its writes: with its space reserved where every write into a hole would wait for the file system's
    /// journal (direct access), else without.
    /// </summary>
    public Preallocation GrowsBestWith { get; init; }

    /// <summary>
    /// Each write is durable when it completes, by the cache mode of the storage. A node above that keeps a map of its own flushes after each write, so that
    /// the promise holds for it too.
    /// </summary>
    public bool WritesAreDurable { get; init; }

    /// <summary>Writing zeroes is cheaper than writing data.</summary>
    public bool HasFastZeroes { get; init; }
}
