using System;
using System.Collections.Immutable;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Graph;

namespace Hutch.Block.Formats.Raw;

/// <summary>
/// A raw image: the file's bytes, or a range of them, are the disk's. A length that is not a whole number of sectors is rounded up; what is behind the
/// end of the file reads as zeros, and writing it extends the file.
/// </summary>
internal sealed class RawNode : ImageNode
{
    private const int SectorBytes = 512;
    private const int NotPermitted = 1;

    private readonly BlockNode _file;
    private readonly long _start;
    private readonly long? _sizeBytes;

    /// <summary>Makes a raw node over <paramref name="file"/>, from byte <paramref name="start"/> on, and owns it.</summary>
    internal RawNode(BlockNode file, long start = 0, long? sizeBytes = null)
    {
        _file = file;
        _start = start;
        _sizeBytes = sizeBytes;
        Limits = file.Limits with { RequestAlignmentBytes = 1 };
    }

    /// <summary>
    /// A write may turn the first sector into the header of another format. Not where the format was guessed: a guest that does so would choose what the
    /// host reads next time.
    /// </summary>
    internal bool MayChangeFormat { get; init; } = true;

    /// <inheritdoc/>
    public override long LengthBytes => _sizeBytes ?? ((Math.Max(0, _file.LengthBytes - _start) + (SectorBytes - 1)) & -SectorBytes);

    /// <inheritdoc/>
    public override ImageFormat Format => RawFormat.Instance;

    /// <inheritdoc/>
    public override BlockLimits Limits { get; }

    /// <inheritdoc/>
    public override bool IsZeroWhenNew => _file.IsZeroWhenNew;

    /// <inheritdoc/>
    public override ImmutableArray<BlockEdge> Children => [new(BlockEdgeKind.Protocol, _file)];

    /// <inheritdoc/>
    public override ValueTask ReadAsync(long offset, IoVector destination, CancellationToken cancellation)
    {
        CheckRange(offset, destination.LengthBytes);
        return _file.ReadAsync(offset + _start, destination, cancellation);
    }

    /// <inheritdoc/>
    public override ValueTask WriteAsync(long offset, IoVector source, WriteFlags flags, CancellationToken cancellation)
    {
        CheckRange(offset, source.LengthBytes);
        if (!MayChangeFormat && offset < SectorBytes && source.LengthBytes > 0) return WriteHeadAsync(offset, source, flags, cancellation);
        return _file.WriteAsync(offset + _start, source, flags, cancellation);
    }

    /// <inheritdoc/>
    public override ValueTask WriteZeroesAsync(long offset, long lengthBytes, WriteFlags flags, CancellationToken cancellation)
    {
        CheckRange(offset, lengthBytes);
        return _file.WriteZeroesAsync(offset + _start, lengthBytes, flags, cancellation);
    }

    /// <inheritdoc/>
    public override ValueTask DiscardAsync(long offset, long lengthBytes, CancellationToken cancellation)
    {
        CheckRange(offset, lengthBytes);
        return _file.DiscardAsync(offset + _start, lengthBytes, cancellation);
    }

    /// <inheritdoc/>
    public override ValueTask FlushAsync(CancellationToken cancellation) => _file.FlushAsync(cancellation);

    /// <inheritdoc/>
    public override ValueTask<BlockExtent> GetExtentAsync(long offset, long lengthBytes, CancellationToken cancellation)
    {
        CheckRange(offset, lengthBytes);
        ValueTask<BlockExtent> extent = _file.GetExtentAsync(offset + _start, lengthBytes, cancellation);
        return extent.IsCompletedSuccessfully ? new(Place(extent.Result, offset)) : PlaceAsync(extent, offset);
    }

    /// <inheritdoc/>
    public override async ValueTask ResizeAsync(long lengthBytes, Preallocation preallocation, CancellationToken cancellation)
    {
        if (_sizeBytes is not null) throw new BlockIoException($"Cannot resize a part of \"{Filename}\".", BlockIoException.Enotsup);
        await _file.ResizeAsync(checked(lengthBytes + _start), preallocation, cancellation).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public override ValueTask DisposeAsync() => _file.DisposeAsync();

    private async ValueTask<BlockExtent> PlaceAsync(ValueTask<BlockExtent> extent, long offset) => Place(await extent.ConfigureAwait(false), offset);

    // All of a raw image has a place, also what is behind the file's end. What is left of the file's last sector belongs to it.
    private BlockExtent Place(BlockExtent extent, long offset) => new(extent.Kind == BlockExtentKind.Unallocated ? BlockExtentKind.Zero : extent.Kind, extent.LengthBytes)
    {
        FileOffset = offset + _start,
        File = extent.File ?? _file,
    };

    private async ValueTask WriteHeadAsync(long offset, IoVector source, WriteFlags flags, CancellationToken cancellation)
    {
        byte[] head = new byte[SectorBytes];
        if (offset > 0 || source.LengthBytes < SectorBytes) await _file.ReadBytesAsync(_start, head, cancellation).ConfigureAwait(false);
        source.CopyTo(head.AsSpan((int)offset));
        if (ImageFormats.Probe(head, "") is not RawFormat) throw new BlockIoException($"\"{Filename}\": the write would make the image one of another format.", NotPermitted);
        await _file.WriteAsync(offset + _start, source, flags, cancellation).ConfigureAwait(false);
    }
}
