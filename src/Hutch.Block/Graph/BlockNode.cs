namespace Hutch.Block.Graph;

/// <summary>A node of the block graph.</summary>
public abstract class BlockNode
{
}
