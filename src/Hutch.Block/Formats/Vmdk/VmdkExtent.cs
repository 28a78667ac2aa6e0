using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Graph;

namespace Hutch.Block.Formats.Vmdk;

/// <summary>A part of a VMDK's disk. Offsets are within it; the node has checked them.</summary>
internal abstract class VmdkExtent(BlockNode? file, string kind)
{
    /// <summary>The node of its file; null where it has none.</summary>
    internal BlockNode? File { get; } = file;

    /// <summary>Its type as the descriptor has it; empty where image and extent are one file.</summary>
    internal string Kind { get; } = kind;

    /// <summary>Where it begins on the disk.</summary>
    internal required long Start { get; init; }

    /// <summary>Its length in bytes.</summary>
    internal required long LengthBytes { get; init; }

    /// <summary>Its grains; null where it has none.</summary>
    internal virtual VmdkSparseMap? Map => null;

    internal abstract ValueTask ReadAsync(long offset, IoVector destination, CancellationToken cancellation);

    internal abstract ValueTask WriteAsync(long offset, IoVector source, WriteFlags flags, CancellationToken cancellation);

    internal abstract ValueTask WriteZeroesAsync(long offset, long lengthBytes, WriteFlags flags, CancellationToken cancellation);

    internal abstract ValueTask DiscardAsync(long offset, long lengthBytes, CancellationToken cancellation);

    internal abstract ValueTask FlushAsync(CancellationToken cancellation);

    internal abstract ValueTask<BlockExtent> GetExtentAsync(long offset, long lengthBytes, CancellationToken cancellation);
}

/// <summary>An extent of grains.</summary>
internal sealed class VmdkSparseExtent(VmdkSparseMap map, string kind) : VmdkExtent(map.File, kind)
{
    internal override VmdkSparseMap Map => map;

    internal override ValueTask ReadAsync(long offset, IoVector destination, CancellationToken cancellation) => map.ReadAsync(offset, destination, cancellation);

    internal override ValueTask WriteAsync(long offset, IoVector source, WriteFlags flags, CancellationToken cancellation) => map.WriteAsync(offset, source, flags, cancellation);

    internal override ValueTask WriteZeroesAsync(long offset, long lengthBytes, WriteFlags flags, CancellationToken cancellation) => map.WriteZeroesAsync(offset, lengthBytes, flags, cancellation);

    internal override ValueTask DiscardAsync(long offset, long lengthBytes, CancellationToken cancellation) => map.DiscardAsync(offset, lengthBytes, cancellation);

    internal override ValueTask FlushAsync(CancellationToken cancellation) => map.FlushAsync(cancellation);

    internal override ValueTask<BlockExtent> GetExtentAsync(long offset, long lengthBytes, CancellationToken cancellation) => map.GetExtentAsync(offset, lengthBytes, cancellation);
}

/// <summary>An extent that is a part of a file as it is.</summary>
internal sealed class VmdkFlatExtent(BlockNode file, long fileOffset, string kind) : VmdkExtent(file, kind)
{
    internal override ValueTask ReadAsync(long offset, IoVector destination, CancellationToken cancellation) => File!.ReadAsync(fileOffset + offset, destination, cancellation);

    internal override ValueTask WriteAsync(long offset, IoVector source, WriteFlags flags, CancellationToken cancellation) => File!.WriteAsync(fileOffset + offset, source, flags, cancellation);

    internal override ValueTask WriteZeroesAsync(long offset, long lengthBytes, WriteFlags flags, CancellationToken cancellation) => File!.WriteZeroesAsync(fileOffset + offset, lengthBytes, flags, cancellation);

    internal override ValueTask DiscardAsync(long offset, long lengthBytes, CancellationToken cancellation) => File!.DiscardAsync(fileOffset + offset, lengthBytes, cancellation);

    internal override ValueTask FlushAsync(CancellationToken cancellation) => File!.FlushAsync(cancellation);

    internal override async ValueTask<BlockExtent> GetExtentAsync(long offset, long lengthBytes, CancellationToken cancellation)
    {
        BlockExtent extent = await File!.GetExtentAsync(fileOffset + offset, lengthBytes, cancellation).ConfigureAwait(false);
        // All of a flat extent is there: a backing image could not show through.
        return extent.Kind == BlockExtentKind.Unallocated ? extent with { Kind = BlockExtentKind.Zero } : extent;
    }
}

/// <summary>An extent of zeros that nothing can be written to.</summary>
internal sealed class VmdkZeroExtent() : VmdkExtent(null, "ZERO")
{
    internal override ValueTask ReadAsync(long offset, IoVector destination, CancellationToken cancellation)
    {
        destination.Clear();
        return ValueTask.CompletedTask;
    }

    internal override ValueTask WriteAsync(long offset, IoVector source, WriteFlags flags, CancellationToken cancellation) => throw new BlockIoException("An extent of zeros cannot be written.");

    internal override ValueTask WriteZeroesAsync(long offset, long lengthBytes, WriteFlags flags, CancellationToken cancellation) => ValueTask.CompletedTask;

    internal override ValueTask DiscardAsync(long offset, long lengthBytes, CancellationToken cancellation) => ValueTask.CompletedTask;

    internal override ValueTask FlushAsync(CancellationToken cancellation) => ValueTask.CompletedTask;

    internal override ValueTask<BlockExtent> GetExtentAsync(long offset, long lengthBytes, CancellationToken cancellation) => ValueTask.FromResult(new BlockExtent(BlockExtentKind.Zero, lengthBytes));
}
