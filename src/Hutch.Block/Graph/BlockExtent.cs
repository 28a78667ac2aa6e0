namespace Hutch.Block.Graph;

/// <summary>What an extent holds.</summary>
public enum BlockExtentKind
{
    /// <summary>Data, as far as anyone knows.</summary>
    Data,

    /// <summary>Reads as zeros.</summary>
    Zero,

    /// <summary>Nothing here; a node with a backing node shows that one's content, others zeros.</summary>
    Unallocated,
}

/// <summary>A run of bytes of one kind, in one layer: what a backing node has shows as <see cref="BlockExtentKind.Unallocated"/>.</summary>
/// <param name="Kind">What it holds.</param>
/// <param name="LengthBytes">Length in bytes, at least 1.</param>
public readonly record struct BlockExtent(BlockExtentKind Kind, long LengthBytes)
{
    /// <summary>Where the extent's bytes lie, as they are, in <see cref="File"/>; -1 where they do not (compressed, encrypted, no place). Zeros may have a place.</summary>
    public long FileOffset { get; init; } = -1;

    /// <summary>The node that <see cref="FileOffset"/> is in; null where there is none.</summary>
    public BlockNode? File { get; init; }

    /// <summary>
    /// The place in <see cref="File"/> was taken ahead of any write (preallocation) and may never have been written: where that file has a hole, the data is zeros.
    /// </summary>
    public bool IsPreallocated { get; init; }

    /// <summary>The data is stored compressed.</summary>
    public bool IsCompressed { get; init; }
}
