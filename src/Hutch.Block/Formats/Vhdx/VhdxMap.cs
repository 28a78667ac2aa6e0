using System;
using System.Buffers.Binary;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Formats.Mapped;
using Hutch.Block.Graph;

namespace Hutch.Block.Formats.Vhdx;

/// <summary>The states of a block (MS-VHDX §2.5.1).</summary>
internal static class VhdxState
{
    /// <summary>Nothing here.</summary>
    internal const int NotPresent = 0;

    /// <summary>Anything; zeros for us.</summary>
    internal const int Undefined = 1;

    /// <summary>Zeros.</summary>
    internal const int Zero = 2;

    /// <summary>Given up by the disk's user; zeros for us.</summary>
    internal const int Unmapped = 3;

    /// <summary>All of it is here.</summary>
    internal const int FullyPresent = 6;

    /// <summary>The sectors are here that its bitmap says.</summary>
    internal const int PartiallyPresent = 7;
}

/// <summary>The block table of a VHDX file (MS-VHDX §2.5): a word for each block, and one for a sector bitmap block after those of each chunk.</summary>
internal class VhdxMap : BlockMap
{
    private const int PageBytes = 4096, EntryBytes = 8, PageEntries = PageBytes / EntryBytes, StateMask = 7;
    private const ulong OffsetMask = ~((1UL << 20) - 1);

    private readonly TablePages _table;
    private readonly VhdxRegions _regions;
    private long _end = -1;

    /// <summary>Makes the map.</summary>
    internal VhdxMap(BlockNode file, BlockNode? backing, VhdxMetadata metadata, VhdxRegions regions) : base(file, backing, metadata.DiskBytes, metadata.BlockBytes)
    {
        Metadata = metadata;
        _regions = regions;
        _table = new TablePages(file, PageBytes, (int)((metadata.Entries + PageEntries - 1) / PageEntries), page => regions.Table.Offset + ((long)page * PageBytes));
    }

    /// <summary>What the disk is like.</summary>
    protected VhdxMetadata Metadata { get; }

    /// <inheritdoc/>
    protected override bool CanMarkZero => true;

    /// <summary>Finds where space for new blocks begins: behind the file's end, and behind the last block where that reaches further.</summary>
    internal async ValueTask PrepareAsync(CancellationToken cancellation)
    {
        if (Metadata.Blocks == 0) return;
        int state;
        long place, index = IndexOf(Metadata.Blocks - 1);
        while (!TryGetEntry(index, out state, out place)) await LoadEntryAsync(index, cancellation).ConfigureAwait(false);
        if (state == VhdxState.FullyPresent && place >= 0 && place < File.LengthBytes) _end = place + BlockBytes;
    }

    /// <summary>Looks at every entry that has a place.</summary>
    internal async ValueTask<ImageCheckResult> CheckAsync(Action<string> report, CancellationToken cancellation)
    {
        long corruptions = 0, allocated = 0;
        for (long block = 0; block < Metadata.Blocks; block++)
        {
            int state;
            long place;
            while (!TryGetEntry(IndexOf(block), out state, out place)) await LoadEntryAsync(IndexOf(block), cancellation).ConfigureAwait(false);
            if (state is not (VhdxState.FullyPresent or VhdxState.PartiallyPresent)) continue;
            allocated++;
            if (Describe(block, place) is not string wrong) continue;
            report(wrong);
            corruptions++;
        }
        return new ImageCheckResult { Corruptions = corruptions, TotalClusters = Metadata.Blocks, AllocatedClusters = allocated };
    }

    /// <inheritdoc/>
    protected override bool TryFind(long offset, long lengthBytes, out MapRun run)
    {
        run = default;
        long block = offset / BlockBytes;
        if (!TryGetEntry(IndexOf(block), out int state, out long place)) return false;
        int within = (int)(offset & (BlockBytes - 1));
        long length = Math.Min(lengthBytes, BlockBytes - within);
        switch (state)
        {
            case VhdxState.NotPresent:
                run = new MapRun(MapKind.Hole, length);
                return true;
            case VhdxState.Undefined or VhdxState.Zero or VhdxState.Unmapped:
                run = new MapRun(MapKind.Zero, length);
                return true;
            case VhdxState.FullyPresent:
                CheckPlace(block, place);
                run = new MapRun(MapKind.Data, length, place + within);
                return true;
            case VhdxState.PartiallyPresent:
                CheckPlace(block, place);
                return TryFindPartial(offset, length, place, out run);
            default:
                throw new BlockIoException($"\"{File.Filename}\": block {block} has the unknown state {state}.");
        }
    }

    /// <summary>What is at a place in a block that is partly here. Only differencing disks have such blocks.</summary>
    protected virtual bool TryFindPartial(long offset, long lengthBytes, long place, out MapRun run) =>
        throw new BlockIoException($"\"{File.Filename}\": block {offset / BlockBytes} is called partly present in a disk without a parent.");

    /// <inheritdoc/>
    protected override ValueTask LoadAsync(long offset, CancellationToken cancellation) => LoadEntryAsync(IndexOf(offset / BlockBytes), cancellation);

    /// <inheritdoc/>
    protected override ValueTask<BlockPlaces> ReserveAsync(long block, int count, CancellationToken cancellation) => ValueTask.FromResult(new BlockPlaces(Extend((long)count * BlockBytes), count, true));

    /// <inheritdoc/>
    protected override async ValueTask LinkAsync(long block, int count, long fileOffset, CancellationToken cancellation)
    {
        for (int i = 0; i < count; i++) await SetEntryAsync(IndexOf(block + i), VhdxState.FullyPresent, fileOffset + ((long)i * BlockBytes), cancellation).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    protected override ValueTask MarkZeroAsync(long block, CancellationToken cancellation) => SetEntryAsync(IndexOf(block), VhdxState.Zero, 0, cancellation);

    /// <inheritdoc/>
    protected override ValueTask StoreAsync(CancellationToken cancellation) => _table.StoreAsync(cancellation);

    /// <inheritdoc/>
    public override void Dispose()
    {
        _table.Dispose();
        base.Dispose();
    }

    /// <summary>Takes space behind everything that the file has; the owner only.</summary>
    protected long Extend(long lengthBytes)
    {
        long place = (Math.Max(_end, File.LengthBytes) + VhdxRegions.UnitBytes - 1) / VhdxRegions.UnitBytes * VhdxRegions.UnitBytes;
        _end = place + lengthBytes;
        return place;
    }

    /// <summary>Where a block's entry is in the table.</summary>
    protected long IndexOf(long block) => block + (block / Metadata.ChunkBlocks);

    /// <summary>Where the entry of a chunk's sector bitmap block is.</summary>
    protected long BitmapIndexOf(long chunk) => ((chunk + 1) * (Metadata.ChunkBlocks + 1L)) - 1;

    /// <summary>An entry's state and place; false where its page must be loaded.</summary>
    protected bool TryGetEntry(long index, out int state, out long place)
    {
        (state, place) = (0, 0);
        if (_table.Find((int)(index / PageEntries)) is not byte[] page) return false;
        ulong entry = BinaryPrimitives.ReadUInt64LittleEndian(page.AsSpan((int)(index % PageEntries) * EntryBytes));
        (state, place) = ((int)(entry & StateMask), (long)(entry & OffsetMask));
        return true;
    }

    /// <summary>Reads an entry's page.</summary>
    protected ValueTask LoadEntryAsync(long index, CancellationToken cancellation) => _table.LoadAsync((int)(index / PageEntries), cancellation);

    /// <summary>Changes an entry; the owner only.</summary>
    protected async ValueTask SetEntryAsync(long index, int state, long place, CancellationToken cancellation)
    {
        byte[] entry = new byte[EntryBytes];
        BinaryPrimitives.WriteUInt64LittleEndian(entry, (ulong)place | (uint)state);
        while (!_table.TryUpdate((int)(index / PageEntries), (int)(index % PageEntries) * EntryBytes, entry)) await LoadEntryAsync(index, cancellation).ConfigureAwait(false);
    }

    /// <summary>Throws for space that is not in the file or belongs to something else.</summary>
    protected void CheckPlace(long block, long place)
    {
        if (Describe(block, place) is string wrong) throw new BlockIoException($"\"{File.Filename}\": {wrong}");
    }

    private string? Describe(long block, long place)
    {
        long fileBytes = File.LengthBytes;
        if (place > long.MaxValue - BlockBytes || place < 0) return $"VHDX BAT entry {block} offset overflow.";
        if (place >= fileBytes) return $"VHDX BAT entry {block} start offset {place} points after end of file ({fileBytes}). Image has probably been truncated.";
        // A fixed disk's last block may end where the disk does.
        if (place > fileBytes - Math.Min(BlockBytes, Metadata.DiskBytes - (block * BlockBytes))) return $"VHDX BAT entry {block} end offset {place + BlockBytes - 1} points after end of file ({fileBytes}). Image has probably been truncated.";
        return _regions.Touches(place, BlockBytes) ? $"VHDX BAT entry {block} at {place} overlaps with a region of the file" : null;
    }
}
