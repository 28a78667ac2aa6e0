using System;
using System.Collections.Immutable;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Graph;

namespace Hutch.Block.Formats.Bochs;

/// <summary>A growing Bochs image: a catalog of extents, each a bitmap of its sectors and their data. Reads only.</summary>
internal sealed class BochsNode(BlockNode file, BochsLayout layout, uint[] catalog) : ImageNode
{
    private const int SectorBytes = 512;
    private const uint Absent = uint.MaxValue;

    // The bitmap that was looked at last; replaced as a whole, never changed.
    private volatile SectorMap? _last;

    /// <inheritdoc/>
    public override ImageFormat Format => BochsFormat.Instance;

    /// <inheritdoc/>
    public override long LengthBytes => layout.LengthBytes;

    /// <inheritdoc/>
    public override BlockLimits Limits { get; } = new() { IsReadOnly = true };

    /// <inheritdoc/>
    public override ImmutableArray<BlockEdge> Children => [new(BlockEdgeKind.Protocol, file)];

    /// <inheritdoc/>
    public override async ValueTask ReadAsync(long offset, IoVector destination, CancellationToken cancellation)
    {
        CheckRange(offset, destination.LengthBytes);
        for (long done = 0; done < destination.LengthBytes;)
        {
            BlockExtent extent = await GetExtentAsync(offset + done, destination.LengthBytes - done, cancellation).ConfigureAwait(false);
            IoVector part = destination.Slice(done, extent.LengthBytes);
            if (extent.Kind == BlockExtentKind.Data) await file.ReadAsync(extent.FileOffset, part, cancellation).ConfigureAwait(false);
            else part.Clear();
            done += extent.LengthBytes;
        }
    }

    /// <inheritdoc/>
    public override ValueTask WriteAsync(long offset, IoVector source, WriteFlags flags, CancellationToken cancellation) => throw ReadOnly();

    /// <inheritdoc/>
    public override ValueTask WriteZeroesAsync(long offset, long lengthBytes, WriteFlags flags, CancellationToken cancellation) => throw ReadOnly();

    /// <inheritdoc/>
    public override ValueTask DiscardAsync(long offset, long lengthBytes, CancellationToken cancellation) => throw ReadOnly();

    /// <inheritdoc/>
    public override ValueTask FlushAsync(CancellationToken cancellation) => ValueTask.CompletedTask;

    /// <inheritdoc/>
    public override async ValueTask<BlockExtent> GetExtentAsync(long offset, long lengthBytes, CancellationToken cancellation)
    {
        CheckRange(offset, lengthBytes);
        ArgumentOutOfRangeException.ThrowIfLessThan(lengthBytes, 1);
        int index = (int)(offset / layout.ExtentBytes), within = (int)(offset % layout.ExtentBytes);
        lengthBytes = Math.Min(lengthBytes, layout.ExtentBytes - within);
        if (catalog[index] == Absent) return new BlockExtent(BlockExtentKind.Zero, lengthBytes);
        long start = layout.CatalogOffset + (layout.CatalogEntries * 4L) + (catalog[index] * (long)(layout.ExtentBytes + layout.BitmapBytes));
        if (_last is not SectorMap map || map.Extent != index)
        {
            map = new SectorMap(index, new byte[layout.BitmapBytes]);
            await file.ReadBytesAsync(start, map.Bits, cancellation).ConfigureAwait(false);
            _last = map;
        }
        return Run(map.Bits, within, lengthBytes, start + layout.BitmapBytes);
    }

    /// <inheritdoc/>
    public override ValueTask DisposeAsync() => file.DisposeAsync();

    private BlockExtent Run(ReadOnlySpan<byte> bitmap, int within, long lengthBytes, long data)
    {
        int sector = within / SectorBytes, end = sector + 1;
        bool isPresent = IsSet(bitmap, sector);
        long most = ((within % SectorBytes) + lengthBytes + SectorBytes - 1) / SectorBytes;
        while (end - sector < most && IsSet(bitmap, end) == isPresent) end++;
        long length = Math.Min(lengthBytes, ((long)end * SectorBytes) - within);
        return isPresent ? new BlockExtent(BlockExtentKind.Data, length) { FileOffset = data + within, File = file } : new BlockExtent(BlockExtentKind.Zero, length);
    }

    private static bool IsSet(ReadOnlySpan<byte> bitmap, int sector) => ((bitmap[sector / 8] >> (sector % 8)) & 1) != 0;

    private BlockIoException ReadOnly() => new($"\"{Filename}\" is a Bochs image, which can only be read.");

    private sealed record SectorMap(int Extent, byte[] Bits);
}
