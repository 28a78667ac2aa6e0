using System;
using System.Buffers.Binary;
using System.Collections;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Formats.Mapped;
using Hutch.Block.Graph;

namespace Hutch.Block.Formats.Vdi;

/// <summary>The block map of a VDI image: for each block the number of its place behind the data offset, or one of two words for none.</summary>
internal sealed class VdiMap : BlockMap
{
    /// <summary>A block without a place.</summary>
    internal const uint Unallocated = 0xffffffff;

    /// <summary>A block that was discarded: zeros.</summary>
    internal const uint Discarded = 0xfffffffe;

    private const int PageBytes = 4096, EntryBytes = 4, PageEntries = PageBytes / EntryBytes;

    private readonly VdiHeader _header;
    private readonly TablePages _table;
    private uint _allocated;
    private long _next = -1;

    internal VdiMap(BlockNode file, VdiHeader header) : base(file, null, header.DiskBytes, VdiHeader.BlockBytes)
    {
        _header = header;
        _allocated = header.AllocatedBlocks;
        _table = new TablePages(file, PageBytes, (int)((header.Blocks + PageEntries - 1) / PageEntries), page => header.MapOffset + ((long)page * PageBytes), TableBytes);
    }

    private long TableBytes => _header.Blocks * (long)EntryBytes;

    /// <inheritdoc/>
    protected override bool TryFind(long offset, long lengthBytes, out MapRun run)
    {
        long block = offset / VdiHeader.BlockBytes;
        int within = (int)(offset % VdiHeader.BlockBytes);
        run = default;
        if (_table.Find((int)(block / PageEntries)) is not byte[] page) return false;
        uint entry = EntryOf(page, (int)(block % PageEntries));
        long length = Math.Min(lengthBytes, VdiHeader.BlockBytes - within);
        if (entry == Unallocated) run = new MapRun(MapKind.Hole, length);
        else if (entry == Discarded) run = new MapRun(MapKind.Zero, length);
        else if (entry < _header.Blocks) run = new MapRun(MapKind.Data, length, PlaceOf(entry) + within);
        else throw new BlockIoException($"\"{File.Filename}\": block {block} has its place outside the image ({entry} of {_header.Blocks}).");
        return true;
    }

    /// <inheritdoc/>
    protected override ValueTask LoadAsync(long offset, CancellationToken cancellation) =>
        _table.LoadAsync((int)(offset / VdiHeader.BlockBytes / PageEntries), cancellation);

    /// <inheritdoc/>
    protected override async ValueTask<BlockPlaces> ReserveAsync(long block, int count, CancellationToken cancellation)
    {
        // The header's count can be behind, where a writer was interrupted: what the map uses is what counts.
        if (_next < 0) _next = await FindEndAsync(cancellation).ConfigureAwait(false);
        if (_next >= _header.Blocks) throw new BlockIoException($"\"{File.Filename}\": the block map is damaged: all places are taken; check the image.");
        int got = (int)Math.Min(count, _header.Blocks - _next);
        long place = PlaceOf((uint)_next);
        _next += got;
        return new BlockPlaces(place, got, place >= File.LengthBytes);
    }

    /// <inheritdoc/>
    protected override async ValueTask LinkAsync(long block, int count, long fileOffset, CancellationToken cancellation)
    {
        uint entry = (uint)((fileOffset - _header.DataOffset) / VdiHeader.BlockBytes);
        byte[] bytes = new byte[EntryBytes];
        for (int i = 0; i < count; i++, block++, entry++)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(bytes, entry);
            while (!_table.TryUpdate((int)(block / PageEntries), (int)(block % PageEntries) * EntryBytes, bytes))
                await _table.LoadAsync((int)(block / PageEntries), cancellation).ConfigureAwait(false);
        }
        _allocated += (uint)count;
    }

    /// <inheritdoc/>
    protected override async ValueTask StoreAsync(CancellationToken cancellation)
    {
        await _table.StoreAsync(cancellation).ConfigureAwait(false);
        byte[] count = new byte[EntryBytes];
        BinaryPrimitives.WriteUInt32LittleEndian(count, _allocated);
        await File.WriteBytesAsync(VdiHeader.AllocatedOffset, count, WriteFlags.None, cancellation).ConfigureAwait(false);
    }

    /// <summary>Goes through the map and reports what is wrong with it.</summary>
    internal async ValueTask<ImageCheckResult> CheckAsync(Action<string> report, CancellationToken cancellation)
    {
        BitArray taken = new((int)_header.Blocks);
        uint allocated = 0;
        long corruptions = 0;
        for (uint block = 0; block < _header.Blocks; block++)
        {
            uint entry = await EntryAsync(block, cancellation).ConfigureAwait(false);
            if (entry >= Discarded) continue;
            if (entry >= _header.Blocks)
            {
                report($"ERROR: block index {block} out of range, is {entry}");
                corruptions++;
                continue;
            }
            allocated++;
            if (taken[(int)entry])
            {
                report($"ERROR: block index {entry} also used by {entry}");
                corruptions++;
            }
            taken[(int)entry] = true;
        }
        if (allocated != _allocated)
        {
            report($"ERROR: allocated blocks mismatch, is {allocated}, should be {_allocated}");
            corruptions++;
        }
        return new ImageCheckResult { Corruptions = corruptions };
    }

    /// <inheritdoc/>
    public override void Dispose()
    {
        _table.Dispose();
        base.Dispose();
    }

    private static uint EntryOf(byte[] page, int index) => BinaryPrimitives.ReadUInt32LittleEndian(page.AsSpan(index * EntryBytes));

    private long PlaceOf(uint entry) => _header.DataOffset + ((long)entry * VdiHeader.BlockBytes);

    private async ValueTask<uint> EntryAsync(uint block, CancellationToken cancellation)
    {
        byte[]? page;
        while ((page = _table.Find((int)(block / PageEntries))) is null)
        {
            cancellation.ThrowIfCancellationRequested();
            await _table.LoadAsync((int)(block / PageEntries), cancellation).ConfigureAwait(false);
        }
        return EntryOf(page, (int)(block % PageEntries));
    }

    private async ValueTask<long> FindEndAsync(CancellationToken cancellation)
    {
        long end = 0;
        for (uint block = 0; block < _header.Blocks; block++)
        {
            uint entry = await EntryAsync(block, cancellation).ConfigureAwait(false);
            if (entry < _header.Blocks) end = Math.Max(end, entry + 1L);
        }
        return end;
    }
}
