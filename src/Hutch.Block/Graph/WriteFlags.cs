using System;

namespace Hutch.Block.Graph;

/// <summary>How a write is to be done.</summary>
[Flags]
public enum WriteFlags
{
    /// <summary>Completed means visible to reads.</summary>
    None = 0,

    /// <summary>Completed means durable (force unit access).</summary>
    Durable = 1,

    /// <summary>Zeroed space may be given back to the storage.</summary>
    MayUnmap = 2,

    /// <summary>
    /// Store the data compressed where the format can (<see cref="Formats.ImageNode.CanCompress"/>). The range is one whole cluster, or ends at the node's end.
    /// </summary>
    Compressed = 4,

    /// <summary>For zeroes: fail rather than write them as data.</summary>
    NoFallback = 8,
}
