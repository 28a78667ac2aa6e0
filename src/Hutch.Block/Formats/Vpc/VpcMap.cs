using System;
using System.Buffers.Binary;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Formats.Mapped;
using Hutch.Block.Graph;

namespace Hutch.Block.Formats.Vpc;

/// <summary>
/// The block table of a dynamic VHD: for each block the sector where it lies, first a bitmap of its sectors, then its data. A new block takes the footer's place
/// at the file's end, and the footer moves behind it; the copy at the file's beginning serves whoever comes in between.
/// </summary>
internal class VpcMap : BlockMap
{
    /// <summary>A block without a place.</summary>
    protected const uint Unallocated = 0xffffffff;

    private const int SectorBytes = 512, PageBytes = 4096, EntryBytes = 4, PageEntries = PageBytes / EntryBytes;

    private readonly VpcDynamicHeader _header;
    private readonly byte[] _footer;
    private readonly TablePages _table;
    private long _end = -1;

    /// <summary>Makes the map; <paramref name="footer"/> is what is written at the file's end.</summary>
    internal VpcMap(BlockNode file, BlockNode? backing, long diskBytes, VpcDynamicHeader header, byte[] footer) : base(file, backing, diskBytes, header.BlockBytes)
    {
        _header = header;
        _footer = footer;
        BitmapBytes = ((header.BlockBytes / (SectorBytes * 8)) + SectorBytes - 1) / SectorBytes * SectorBytes;
        _table = new TablePages(file, PageBytes, (int)((header.Blocks + (long)PageEntries - 1) / PageEntries), page => header.TableOffset + ((long)page * PageBytes), TableBytes);
    }

    /// <summary>Length of the bitmap before a block's data.</summary>
    protected int BitmapBytes { get; }

    private long TableBytes => _header.Blocks * (long)EntryBytes;

    private long TableEnd => (_header.TableOffset + TableBytes + SectorBytes - 1) / SectorBytes * SectorBytes;

    /// <summary>Finds the end of the last block. Throws <see cref="ImageException"/> where the file ends before it.</summary>
    internal async ValueTask ScanAsync(CancellationToken cancellation)
    {
        long end = TableEnd;
        for (int block = 0; block < _header.Blocks; block++)
        {
            uint entry;
            while (!TryGetEntry(block, out entry)) await LoadTableAsync(block, cancellation).ConfigureAwait(false);
            if (entry != Unallocated) end = Math.Max(end, ((long)entry * SectorBytes) + BitmapBytes + BlockBytes);
        }
        if (end > File.LengthBytes) throw new ImageException("block-vpc: free_data_block_offset points after the end of file. The image has been truncated.");
        _end = end;
    }

    /// <inheritdoc/>
    protected override bool TryFind(long offset, long lengthBytes, out MapRun run)
    {
        int within = (int)(offset & (BlockBytes - 1));
        run = default;
        if (!TryGetPlace(offset / BlockBytes, out long place)) return false;
        long length = Math.Min(lengthBytes, BlockBytes - within);
        run = place < 0 ? new MapRun(MapKind.Hole, length) : new MapRun(MapKind.Data, length, place + BitmapBytes + within);
        return true;
    }

    /// <inheritdoc/>
    protected override ValueTask LoadAsync(long offset, CancellationToken cancellation) => LoadTableAsync(offset / BlockBytes, cancellation);

    /// <summary>Where a block lies, with its bitmap; -1 where it does not. False where the table must be loaded.</summary>
    protected bool TryGetPlace(long block, out long place)
    {
        place = -1;
        if (!TryGetEntry(block, out uint entry)) return false;
        if (entry == Unallocated) return true;
        place = (long)entry * SectorBytes;
        if (place < TableEnd || place > File.LengthBytes - BitmapBytes - BlockBytes)
            throw new BlockIoException($"\"{File.Filename}\": block {block} has its place outside the data (sector {entry}).");
        return true;
    }

    /// <summary>Reads the part of the table that has a block's entry.</summary>
    protected ValueTask LoadTableAsync(long block, CancellationToken cancellation) => _table.LoadAsync((int)(block / PageEntries), cancellation);

    /// <summary>What a new block's bitmap says at first: all of a dynamic disk's block is there.</summary>
    protected virtual byte NewBitmapFill => 0xff;

    /// <inheritdoc/>
    protected override async ValueTask<BlockPlaces> ReserveAsync(long block, int count, CancellationToken cancellation)
    {
        if (_end < 0) await ScanAsync(cancellation).ConfigureAwait(false);
        long place = _end, data = place + BitmapBytes;
        bool fresh = data >= File.LengthBytes;
        if (data + BlockBytes > uint.MaxValue * (long)SectorBytes) throw new BlockIoException($"\"{File.Filename}\": the file is as large as a VHD can be.", BlockIoException.Enospc);
        await File.WriteBytesAsync(data + BlockBytes, _footer, WriteFlags.None, cancellation).ConfigureAwait(false);
        byte[] bitmap = new byte[BitmapBytes];
        bitmap.AsSpan().Fill(NewBitmapFill);
        await File.WriteBytesAsync(place, bitmap, WriteFlags.None, cancellation).ConfigureAwait(false);
        _end = data + BlockBytes;
        return new BlockPlaces(data, 1, fresh);
    }

    /// <inheritdoc/>
    protected override async ValueTask LinkAsync(long block, int count, long fileOffset, CancellationToken cancellation)
    {
        byte[] entry = new byte[EntryBytes];
        BinaryPrimitives.WriteUInt32BigEndian(entry, (uint)((fileOffset - BitmapBytes) / SectorBytes));
        while (!_table.TryUpdate((int)(block / PageEntries), (int)(block % PageEntries) * EntryBytes, entry)) await LoadTableAsync(block, cancellation).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    protected override ValueTask StoreAsync(CancellationToken cancellation) => _table.StoreAsync(cancellation);

    /// <inheritdoc/>
    public override void Dispose()
    {
        _table.Dispose();
        base.Dispose();
    }

    private bool TryGetEntry(long block, out uint entry)
    {
        entry = 0;
        if (_table.Find((int)(block / PageEntries)) is not byte[] page) return false;
        entry = BinaryPrimitives.ReadUInt32BigEndian(page.AsSpan((int)(block % PageEntries) * EntryBytes));
        return true;
    }
}
