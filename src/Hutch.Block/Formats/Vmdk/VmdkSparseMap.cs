using System;
using System.Buffers.Binary;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Formats.Mapped;
using Hutch.Block.Graph;

namespace Hutch.Block.Formats.Vmdk;

/// <summary>
/// The grains of a sparse extent: a directory of grain tables, each with the sectors where its grains lie; 0 for none, 1 for zeros where the header allows it.
/// Both are there twice in most images.
/// </summary>
internal sealed class VmdkSparseMap : BlockMap
{
    private const int SectorBytes = 512, EntryBytes = 4;
    private const uint ZeroEntry = 1;

    private readonly VmdkSparseHeader _header;
    private readonly uint[] _directory;
    private readonly TablePages _tables;
    private readonly VmdkGrainCodec? _codec;
    private long _end;

    private VmdkSparseMap(BlockNode file, BlockNode? backing, VmdkSparseHeader header, uint[] directory, uint[]? redundant)
        : base(file, backing, header.CapacitySectors * SectorBytes, header.GrainBytes)
    {
        _header = header;
        _directory = directory;
        _codec = header.IsCompressed ? new VmdkGrainCodec(file, header) : null;
        _tables = new TablePages(file, header.Entries * EntryBytes, directory.Length, page => (long)directory[page] * SectorBytes,
            copyOf: redundant is null ? null : page => (long)redundant[page] * SectorBytes);
    }

    /// <summary>Grains are compressed.</summary>
    internal bool IsCompressed => _codec is not null;

    /// <inheritdoc/>
    protected override bool CanMarkZero => HasZeroGrains;

    private bool HasZeroGrains => (_header.Flags & VmdkSparseHeader.ZeroGrainFlag) != 0;

    /// <summary>Opens an extent's map; nodes stay the caller's. Throws <see cref="ImageException"/>.</summary>
    internal static async ValueTask<VmdkSparseMap> OpenAsync(BlockNode file, BlockNode? backing, long backingOffset, VmdkSparseHeader header, bool readOnly, CancellationToken cancellation)
    {
        int tableBytes = header.Entries * EntryBytes;
        uint[] directory = await VmdkGrainDirectory.ReadAsync(file, header.DirectoryOffset * SectorBytes, header.Tables, tableBytes, cancellation).ConfigureAwait(false);
        uint[]? redundant = header.IsRedundant && !readOnly
            ? await VmdkGrainDirectory.ReadAsync(file, header.RedundantOffset * SectorBytes, header.Tables, tableBytes, cancellation).ConfigureAwait(false)
            : null;
        return new VmdkSparseMap(file, backing, header, directory, redundant) { BackingOffset = backingOffset };
    }

    /// <summary>Looks for grains that are not in the file.</summary>
    internal async ValueTask<ImageCheckResult> CheckAsync(long startBytes, Action<string> report, CancellationToken cancellation)
    {
        long corruptions = 0, allocated = 0, total = (LengthBytes + BlockBytes - 1) / BlockBytes;
        for (long grain = 0; grain < total; grain++)
        {
            if (_directory[grain / _header.Entries] == 0)
            {
                grain += _header.Entries - (grain % _header.Entries) - 1;
                continue;
            }
            uint entry;
            while (!TryGetEntry(grain, out entry)) await LoadAsync(grain * BlockBytes, cancellation).ConfigureAwait(false);
            if (entry == 0 || (entry == ZeroEntry && HasZeroGrains)) continue;
            allocated++;
            if (entry * (long)SectorBytes < File.LengthBytes) continue;
            report($"ERROR: grain offset {entry * (long)SectorBytes} of sector {(startBytes + (grain * BlockBytes)) / SectorBytes} is behind the end of the file");
            corruptions++;
        }
        return new ImageCheckResult { Corruptions = corruptions, TotalClusters = total, AllocatedClusters = allocated };
    }

    /// <summary>Appends a grain that is compressed already.</summary>
    internal async ValueTask WriteCompressedAsync(long offset, IoVector compressed, CancellationToken cancellation)
    {
        byte[] data = new byte[compressed.LengthBytes];
        compressed.CopyTo(data);
        await RunAsOwnerAsync(() => AppendAsync(offset / BlockBytes, data, data.Length, cancellation), cancellation).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    protected override bool TryFind(long offset, long lengthBytes, out MapRun run)
    {
        run = default;
        long grain = offset / BlockBytes;
        int within = (int)(offset & (BlockBytes - 1));
        long length = Math.Min(lengthBytes, BlockBytes - within);
        if (_directory[grain / _header.Entries] == 0)
        {
            // Without a table nothing is there as far as it would reach.
            long reach = (long)BlockBytes * _header.Entries;
            run = new MapRun(MapKind.Hole, Math.Min(lengthBytes, reach - (offset % reach)));
            return true;
        }
        if (!TryGetEntry(grain, out uint entry)) return false;
        if (entry == 0) run = new MapRun(MapKind.Hole, length);
        else if (entry == ZeroEntry && HasZeroGrains) run = new MapRun(MapKind.Zero, length);
        else run = new MapRun(_codec is null ? MapKind.Data : MapKind.Compressed, length, PlaceOf(grain, entry) + (_codec is null ? within : 0));
        return true;
    }

    /// <inheritdoc/>
    protected override ValueTask LoadAsync(long offset, CancellationToken cancellation) => _tables.LoadAsync((int)(offset / BlockBytes / _header.Entries), cancellation);

    /// <inheritdoc/>
    protected override ValueTask<BlockPlaces> ReserveAsync(long block, int count, CancellationToken cancellation)
    {
        if (_directory[block / _header.Entries] == 0) throw new BlockIoException($"\"{File.Filename}\": grain {block} has no grain table.", BlockIoException.Enotsup);
        count = (int)Math.Min(count, _header.Entries - (block % _header.Entries));
        return ValueTask.FromResult(new BlockPlaces(Extend((long)count * BlockBytes, BlockBytes), count, true));
    }

    /// <inheritdoc/>
    protected override async ValueTask LinkAsync(long block, int count, long fileOffset, CancellationToken cancellation)
    {
        byte[] entries = new byte[count * EntryBytes];
        for (int i = 0; i < count; i++) BinaryPrimitives.WriteUInt32LittleEndian(entries.AsSpan(i * EntryBytes), (uint)((fileOffset + ((long)i * BlockBytes)) / SectorBytes));
        await SetAsync(block, entries, cancellation).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    protected override ValueTask MarkZeroAsync(long block, CancellationToken cancellation) => SetAsync(block, [(byte)ZeroEntry, 0, 0, 0], cancellation);

    /// <inheritdoc/>
    protected override ValueTask StoreAsync(CancellationToken cancellation) => _tables.StoreAsync(cancellation);

    /// <inheritdoc/>
    protected override async ValueTask ReadCompressedAsync(long offset, IoVector destination, MapRun run, CancellationToken cancellation)
    {
        byte[] grain = new byte[BlockBytes];
        await _codec!.ReadAsync(run.FileOffset, grain, cancellation).ConfigureAwait(false);
        destination.CopyFrom(grain.AsSpan((int)(offset & (BlockBytes - 1)), (int)destination.LengthBytes));
    }

    /// <summary>A compressed grain is written as a whole, at the file's end; what it was before stays behind unused.</summary>
    protected override async ValueTask<long> WriteNewAsync(long offset, long lengthBytes, IoVector? source, MapRun run, CancellationToken cancellation)
    {
        if (_codec is null) return await base.WriteNewAsync(offset, lengthBytes, source, run, cancellation).ConfigureAwait(false);
        long block = offset / BlockBytes;
        int within = (int)(offset & (BlockBytes - 1)), length = (int)Math.Min(lengthBytes, BlockBytes - within);
        byte[] grain = new byte[BlockBytes], compressed = new byte[BlockBytes];
        if (length != BlockBytes)
        {
            BounceBuffer bounce = Bounces.Rent(BlockBytes);
            try
            {
                await ReadShownAsync(block * BlockBytes, bounce, BlockBytes, cancellation).ConfigureAwait(false);
                bounce.Memory.Span[..BlockBytes].CopyTo(grain);
            }
            finally
            {
                Bounces.Return(bounce);
            }
        }
        if (source is IoVector data) data.Slice(0, length).CopyTo(grain.AsSpan(within, length));
        else grain.AsSpan(within, length).Clear();
        (byte[] bytes, int count) = VmdkGrainCodec.Compress(grain, compressed) is int made and >= 0 ? (compressed, made) : VmdkGrainCodec.Store(grain);
        await AppendAsync(block, bytes, count, cancellation).ConfigureAwait(false);
        return length;
    }

    /// <inheritdoc/>
    public override void Dispose()
    {
        _tables.Dispose();
        base.Dispose();
    }

    private async ValueTask AppendAsync(long block, byte[] bytes, int lengthBytes, CancellationToken cancellation)
    {
        if (_directory[block / _header.Entries] == 0) throw new BlockIoException($"\"{File.Filename}\": grain {block} has no grain table.", BlockIoException.Enotsup);
        byte[] stored = _codec!.Wrap(block * (BlockBytes / SectorBytes), bytes.AsSpan(0, lengthBytes));
        long place = Extend(stored.Length, SectorBytes);
        await File.WriteBytesAsync(place, stored, WriteFlags.None, cancellation).ConfigureAwait(false);
        byte[] entry = new byte[EntryBytes];
        BinaryPrimitives.WriteUInt32LittleEndian(entry, (uint)(place / SectorBytes));
        await SetAsync(block, entry, cancellation).ConfigureAwait(false);
        NoteUnstored(1);
    }

    // Behind everything that the file has. Places are sectors in 32 bits.
    private long Extend(long lengthBytes, int alignment)
    {
        long place = (Math.Max(_end, File.LengthBytes) + alignment - 1) / alignment * alignment;
        if (place + lengthBytes > uint.MaxValue * (long)SectorBytes) throw new BlockIoException($"\"{File.Filename}\": the extent is as large as one can be.", BlockIoException.Enospc);
        _end = place + lengthBytes;
        return place;
    }

    private async ValueTask SetAsync(long block, byte[] entries, CancellationToken cancellation)
    {
        int table = (int)(block / _header.Entries), offset = (int)(block % _header.Entries) * EntryBytes;
        while (!_tables.TryUpdate(table, offset, entries)) await _tables.LoadAsync(table, cancellation).ConfigureAwait(false);
    }

    private bool TryGetEntry(long grain, out uint entry)
    {
        entry = 0;
        if (_tables.Find((int)(grain / _header.Entries)) is not byte[] table) return false;
        entry = BinaryPrimitives.ReadUInt32LittleEndian(table.AsSpan((int)(grain % _header.Entries) * EntryBytes));
        return true;
    }

    private long PlaceOf(long grain, uint entry)
    {
        long place = entry * (long)SectorBytes;
        if (place < Math.Max(1, _header.OverheadSectors) * SectorBytes || place >= File.LengthBytes)
            throw new BlockIoException($"\"{File.Filename}\": grain {grain} has its place outside the data (sector {entry}).");
        return place;
    }
}
