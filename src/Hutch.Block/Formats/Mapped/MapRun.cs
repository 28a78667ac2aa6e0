using Hutch.Block.Graph;

namespace Hutch.Block.Formats.Mapped;

/// <summary>What an image has of a run of the disk.</summary>
internal enum MapKind
{
    /// <summary>Nothing: the backing image, or zeros.</summary>
    Hole,

    /// <summary>Zeros, whatever lies below.</summary>
    Zero,

    /// <summary>Data in the file, as it is.</summary>
    Data,

    /// <summary>Data in the file, compressed.</summary>
    Compressed,
}

/// <summary>A run of the disk of one kind.</summary>
/// <param name="Kind">What it is.</param>
/// <param name="LengthBytes">Its length.</param>
/// <param name="FileOffset">Where its data lies in the file; 0 where there is none.</param>
internal readonly record struct MapRun(MapKind Kind, long LengthBytes, long FileOffset = 0)
{
    /// <summary>The run with what follows it in <paramref name="next"/>, if that goes on with it; else unchanged.</summary>
    internal MapRun Join(MapRun next, out bool joined)
    {
        joined = next.Kind == Kind && Kind != MapKind.Compressed && (Kind != MapKind.Data || next.FileOffset == FileOffset + LengthBytes);
        return joined ? this with { LengthBytes = LengthBytes + next.LengthBytes } : this;
    }

    /// <summary>The kind as the graph names it.</summary>
    internal BlockExtent ToExtent(BlockNode file) => Kind switch
    {
        MapKind.Hole => new BlockExtent(BlockExtentKind.Unallocated, LengthBytes),
        MapKind.Zero => new BlockExtent(BlockExtentKind.Zero, LengthBytes),
        MapKind.Data => new BlockExtent(BlockExtentKind.Data, LengthBytes) { FileOffset = FileOffset, File = file },
        _ => new BlockExtent(BlockExtentKind.Data, LengthBytes) { IsCompressed = true },
    };
}

/// <summary>Places for new blocks in a file.</summary>
/// <param name="FileOffset">Where the first lies; the others follow it.</param>
/// <param name="Count">How many there are.</param>
/// <param name="AreZero">Nothing was ever there: they read as zeros.</param>
internal readonly record struct BlockPlaces(long FileOffset, int Count, bool AreZero);
