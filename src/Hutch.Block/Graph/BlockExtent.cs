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

/// <summary>A run of bytes of one kind.</summary>
/// <param name="Kind">What it holds.</param>
/// <param name="LengthBytes">Length in bytes, at least 1.</param>
public readonly record struct BlockExtent(BlockExtentKind Kind, long LengthBytes);
