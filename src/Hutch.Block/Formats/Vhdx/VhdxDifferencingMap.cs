using System;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Formats.Mapped;
using Hutch.Block.Graph;

namespace Hutch.Block.Formats.Vhdx;

/// <summary>
/// The map of a differencing VHDX: a block may be here in part. One sector bitmap block of 1 MiB speaks for all blocks of a chunk, a bit for each sector, least
/// significant first (MS-VHDX §2.4).
/// </summary>
internal sealed class VhdxDifferencingMap : VhdxMap
{
    private const int BitmapBlockBytes = 1 << 20, PageBytes = 64 * 1024, ChunkPages = BitmapBlockBytes / PageBytes;

    private readonly TablePages _bitmaps;

    /// <summary>Makes the map; without <paramref name="backing"/> the parent's sectors read as zeros.</summary>
    internal VhdxDifferencingMap(BlockNode file, BlockNode? backing, VhdxMetadata metadata, VhdxRegions regions) : base(file, backing, metadata, regions)
    {
        long chunks = (metadata.Blocks + metadata.ChunkBlocks - 1) / metadata.ChunkBlocks;
        _bitmaps = new TablePages(file, PageBytes, (int)(chunks * ChunkPages), PlaceOfBitmapPage);
    }

    private int BlockSectors => BlockBytes / Metadata.SectorBytes;

    /// <inheritdoc/>
    protected override bool TryFindPartial(long offset, long lengthBytes, long place, out MapRun run)
    {
        run = default;
        long block = offset / BlockBytes;
        int within = (int)(offset & (BlockBytes - 1));
        int first = within / Metadata.SectorBytes, last = (int)((within + lengthBytes - 1) / Metadata.SectorBytes), sector = first + 1;
        if (!TryGetBit(block, first, out bool isHere)) return false;
        while (sector <= last)
        {
            if (!TryGetBit(block, sector, out bool next)) break;
            if (next != isHere) break;
            sector++;
        }
        long length = Math.Min(lengthBytes, ((long)sector * Metadata.SectorBytes) - within);
        run = isHere ? new MapRun(MapKind.Data, length, place + within) : new MapRun(MapKind.Hole, length);
        return true;
    }

    /// <inheritdoc/>
    protected override async ValueTask LoadAsync(long offset, CancellationToken cancellation)
    {
        long block = offset / BlockBytes, chunk = block / Metadata.ChunkBlocks;
        await base.LoadAsync(offset, cancellation).ConfigureAwait(false);
        if (!TryGetEntry(IndexOf(block), out int state, out _) || state != VhdxState.PartiallyPresent) return;
        await LoadEntryAsync(BitmapIndexOf(chunk), cancellation).ConfigureAwait(false);
        // The pages that speak for the block, of which the request may want the last.
        (int first, int last) = PagesOf(block);
        for (int page = first; page <= last; page++) await _bitmaps.LoadAsync(page, cancellation).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    protected override async ValueTask<long> WriteNewAsync(long offset, long lengthBytes, IoVector? source, MapRun run, CancellationToken cancellation)
    {
        long block = offset / BlockBytes;
        int within = (int)(offset & (BlockBytes - 1));
        int length = (int)Math.Min(lengthBytes, BlockBytes - within);
        int state;
        long place;
        while (!TryGetEntry(IndexOf(block), out state, out place)) await LoadEntryAsync(IndexOf(block), cancellation).ConfigureAwait(false);
        // A block that is written as a whole, or is zeros so far, needs no bitmap.
        if (run.Kind == MapKind.Zero || (state == VhdxState.NotPresent && within == 0 && (length == BlockBytes || offset + length == LengthBytes)))
            return await base.WriteNewAsync(offset, length, source, run, cancellation).ConfigureAwait(false);
        bool isNew = state != VhdxState.PartiallyPresent;
        if (isNew)
        {
            place = Extend(BlockBytes);
            await ExtendAsync(place + BlockBytes, cancellation).ConfigureAwait(false);
        }
        if (source is IoVector data) await File.WriteAsync(place + within, data.Slice(0, length), WriteFlags.None, cancellation).ConfigureAwait(false);
        else if (!isNew) await File.WriteZeroesAsync(place + within, length, WriteFlags.MayUnmap, cancellation).ConfigureAwait(false);
        await EnsureBitmapBlockAsync(block / Metadata.ChunkBlocks, cancellation).ConfigureAwait(false);
        await MarkHereAsync(block, within / Metadata.SectorBytes, (within + length - 1) / Metadata.SectorBytes, isNew, cancellation).ConfigureAwait(false);
        if (isNew) await SetEntryAsync(IndexOf(block), VhdxState.PartiallyPresent, place, cancellation).ConfigureAwait(false);
        NoteUnstored(1);
        return length;
    }

    /// <summary>Bitmaps first, and durable: what they said before of a block that was not here means nothing.</summary>
    protected override async ValueTask StoreAsync(CancellationToken cancellation)
    {
        if (_bitmaps.HasChanges)
        {
            await _bitmaps.StoreAsync(cancellation).ConfigureAwait(false);
            await File.FlushAsync(cancellation).ConfigureAwait(false);
        }
        await base.StoreAsync(cancellation).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public override void Dispose()
    {
        _bitmaps.Dispose();
        base.Dispose();
    }

    private async ValueTask EnsureBitmapBlockAsync(long chunk, CancellationToken cancellation)
    {
        long index = BitmapIndexOf(chunk);
        int state;
        while (!TryGetEntry(index, out state, out _)) await LoadEntryAsync(index, cancellation).ConfigureAwait(false);
        if (state == VhdxState.FullyPresent) return;
        long place = Extend(BitmapBlockBytes);
        await ExtendAsync(place + BitmapBlockBytes, cancellation).ConfigureAwait(false);
        await SetEntryAsync(index, VhdxState.FullyPresent, place, cancellation).ConfigureAwait(false);
    }

    private async ValueTask MarkHereAsync(long block, int first, int last, bool isNew, CancellationToken cancellation)
    {
        (int firstPage, int lastPage) = PagesOf(block);
        long blockBit = block % Metadata.ChunkBlocks * BlockSectors;
        for (int page = firstPage; page <= lastPage; page++)
        {
            // A page's bits of this block: counted from the chunk's first sector.
            long pageBit = (long)(page % ChunkPages) * PageBytes * 8, from = Math.Max(blockBit, pageBit), to = Math.Min(blockBit + BlockSectors, pageBit + (PageBytes * 8L));
            byte[] bytes = new byte[(to - from) / 8];
            byte[]? there;
            do
            {
                while ((there = _bitmaps.Find(page)) is null) await _bitmaps.LoadAsync(page, cancellation).ConfigureAwait(false);
                if (isNew) bytes.AsSpan().Clear();
                else there.AsSpan((int)((from - pageBit) / 8), bytes.Length).CopyTo(bytes);
                for (long bit = Math.Max(from, blockBit + first); bit < to && bit <= blockBit + last; bit++) bytes[(bit - from) / 8] |= (byte)(1 << (int)((bit - from) % 8));
            }
            while (!_bitmaps.TryUpdate(page, (int)((from - pageBit) / 8), bytes));
        }
    }

    private (int First, int Last) PagesOf(long block)
    {
        long chunk = block / Metadata.ChunkBlocks, bit = block % Metadata.ChunkBlocks * BlockSectors;
        int first = (int)((chunk * ChunkPages) + (bit / (PageBytes * 8)));
        return (first, (int)((chunk * ChunkPages) + ((bit + BlockSectors - 1) / (PageBytes * 8))));
    }

    private bool TryGetBit(long block, int sector, out bool isHere)
    {
        isHere = false;
        long chunk = block / Metadata.ChunkBlocks, bit = (block % Metadata.ChunkBlocks * BlockSectors) + sector;
        if (_bitmaps.Find((int)((chunk * ChunkPages) + (bit / (PageBytes * 8)))) is not byte[] page) return false;
        int within = (int)(bit % (PageBytes * 8));
        isHere = (page[within / 8] & (1 << (within % 8))) != 0;
        return true;
    }

    // Only asked for chunks whose entry was just looked at.
    private long PlaceOfBitmapPage(int page)
    {
        long chunk = page / ChunkPages;
        if (!TryGetEntry(BitmapIndexOf(chunk), out int state, out long place) || state != VhdxState.FullyPresent)
            throw new BlockIoException($"\"{File.Filename}\": chunk {chunk} has no sector bitmap.");
        if (place < VhdxRegions.HeaderSectionBytes || place > File.LengthBytes - BitmapBlockBytes)
            throw new BlockIoException($"\"{File.Filename}\": the sector bitmap of chunk {chunk} is outside the file.");
        return place + ((long)(page % ChunkPages) * PageBytes);
    }
}
