namespace Hutch.Block.Graph;

/// <summary>What a node uses a child for.</summary>
public enum BlockEdgeKind
{
    /// <summary>The child stores the node's bytes and metadata.</summary>
    Protocol,

    /// <summary>The child shows through where the node has nothing.</summary>
    Backing,

    /// <summary>The node passes the child through, changed or counted.</summary>
    Filtered,
}

/// <summary>An edge of the block graph.</summary>
/// <param name="Kind">What the child is for.</param>
/// <param name="Child">The child.</param>
public readonly record struct BlockEdge(BlockEdgeKind Kind, BlockNode Child);
