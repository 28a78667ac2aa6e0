using Hutch.Block.Graph;

namespace Hutch.Block.Jobs;

/// <summary>What is to be done with a piece.</summary>
internal enum CopyAction
{
    /// <summary>Read it from the source and store it.</summary>
    Data,

    /// <summary>It is zeros.</summary>
    Zero,

    /// <summary>The target's backing image has it.</summary>
    Keep,
}

/// <summary>A piece of a copy.</summary>
/// <param name="Action">What is to be done.</param>
/// <param name="Source">The image that it begins in; null where it is filled with zeros.</param>
/// <param name="Offset">Where in the target.</param>
/// <param name="LengthBytes">Length in bytes; data fits into a worker's buffer.</param>
internal readonly record struct CopyPiece(CopyAction Action, BlockNode? Source, long Offset, long LengthBytes);
