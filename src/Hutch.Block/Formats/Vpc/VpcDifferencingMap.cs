using System;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Formats.Mapped;
using Hutch.Block.Graph;

namespace Hutch.Block.Formats.Vpc;

/// <summary>
/// The map of a differencing VHD: a block's bitmap says for each sector whether it is here (1) or the parent's (0), most significant bit first. So writing
/// one sector copies none.
/// </summary>
internal sealed class VpcDifferencingMap : VpcMap
{
    private const int SectorBytes = 512;

    private readonly TablePages _bitmaps;

    /// <summary>Makes the map; without <paramref name="backing"/> the parent's sectors read as zeros.</summary>
    internal VpcDifferencingMap(BlockNode file, BlockNode? backing, long diskBytes, VpcDynamicHeader header, byte[] footer) : base(file, backing, diskBytes, header, footer) =>
        _bitmaps = new TablePages(file, BitmapBytes, header.Blocks, PlaceOfBitmap);

    /// <inheritdoc/>
    protected override byte NewBitmapFill => 0;

    /// <inheritdoc/>
    protected override bool TryFind(long offset, long lengthBytes, out MapRun run)
    {
        run = default;
        long block = offset / BlockBytes;
        int within = (int)(offset & (BlockBytes - 1));
        if (!TryGetPlace(block, out long place)) return false;
        long length = Math.Min(lengthBytes, BlockBytes - within);
        if (place < 0)
        {
            run = new MapRun(MapKind.Hole, length);
            return true;
        }
        if (_bitmaps.Find((int)block) is not byte[] bitmap) return false;
        int first = within / SectorBytes, last = (int)((within + length - 1) / SectorBytes), sector = first + 1;
        bool isHere = IsHere(bitmap, first);
        while (sector <= last && IsHere(bitmap, sector) == isHere) sector++;
        length = Math.Min(length, ((long)sector * SectorBytes) - within);
        run = isHere ? new MapRun(MapKind.Data, length, place + BitmapBytes + within) : new MapRun(MapKind.Hole, length);
        return true;
    }

    /// <inheritdoc/>
    protected override ValueTask LoadAsync(long offset, CancellationToken cancellation)
    {
        long block = offset / BlockBytes;
        return TryGetPlace(block, out long place) && place >= 0 ? _bitmaps.LoadAsync((int)block, cancellation) : LoadTableAsync(block, cancellation);
    }

    /// <inheritdoc/>
    protected override async ValueTask<long> WriteNewAsync(long offset, long lengthBytes, IoVector? source, MapRun run, CancellationToken cancellation)
    {
        long block = offset / BlockBytes;
        int within = (int)(offset & (BlockBytes - 1));
        int length = (int)Math.Min(lengthBytes, BlockBytes - within);
        long place;
        bool fresh = false;
        while (!TryGetPlace(block, out place)) await LoadTableAsync(block, cancellation).ConfigureAwait(false);
        if (place < 0)
        {
            (long data, _, fresh) = await ReserveAsync(block, 1, cancellation).ConfigureAwait(false);
            place = data - BitmapBytes;
        }
        if (source is IoVector vector) await File.WriteAsync(place + BitmapBytes + within, vector.Slice(0, length), WriteFlags.None, cancellation).ConfigureAwait(false);
        else if (!fresh) await File.WriteZeroesAsync(place + BitmapBytes + within, length, WriteFlags.MayUnmap, cancellation).ConfigureAwait(false);
        await LinkAsync(block, 1, place + BitmapBytes, cancellation).ConfigureAwait(false);
        await MarkHereAsync(block, within / SectorBytes, (within + length - 1) / SectorBytes, cancellation).ConfigureAwait(false);
        NoteUnstored(1);
        return length;
    }

    /// <summary>Bitmaps first: a block that the table shows has a good one.</summary>
    protected override async ValueTask StoreAsync(CancellationToken cancellation)
    {
        await _bitmaps.StoreAsync(cancellation).ConfigureAwait(false);
        await base.StoreAsync(cancellation).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public override void Dispose()
    {
        _bitmaps.Dispose();
        base.Dispose();
    }

    private static bool IsHere(byte[] bitmap, int sector) => (bitmap[sector / 8] & (0x80 >> (sector % 8))) != 0;

    private async ValueTask MarkHereAsync(long block, int first, int last, CancellationToken cancellation)
    {
        byte[] bytes = new byte[(last / 8) - (first / 8) + 1];
        byte[]? bitmap;
        do
        {
            while ((bitmap = _bitmaps.Find((int)block)) is null) await _bitmaps.LoadAsync((int)block, cancellation).ConfigureAwait(false);
            bitmap.AsSpan(first / 8, bytes.Length).CopyTo(bytes);
            for (int sector = first; sector <= last; sector++) bytes[(sector / 8) - (first / 8)] |= (byte)(0x80 >> (sector % 8));
        }
        while (!_bitmaps.TryUpdate((int)block, first / 8, bytes));
    }

    // Only asked for blocks that have a place, whose part of the table was just looked at.
    private long PlaceOfBitmap(int block) => TryGetPlace(block, out long place) && place >= 0 ? place
        : throw new BlockIoException($"\"{File.Filename}\": block {block} has no bitmap.");
}
