using System;
using System.Buffers.Binary;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Graph;

namespace Hutch.Block.Formats.Mapped;

/// <summary>A map in two levels of words of 64 bits, read only: a first table that lies in memory says where second tables lie.</summary>
internal abstract class TwoLevelMap : ReadOnlyMap
{
    private const int EntryBytes = 8, PageBytes = 4096;

    private readonly ulong[] _first;
    private readonly int _entries;
    private readonly bool _isBigEndian;
    private readonly int _pageBytes;
    private readonly TablePages _second;

    /// <summary>Makes a map.</summary>
    /// <param name="file">The file.</param>
    /// <param name="backing">What shows where there is nothing.</param>
    /// <param name="lengthBytes">Length of the disk.</param>
    /// <param name="blockBytes">Length of a block.</param>
    /// <param name="first">The first table: places in the file; 0 for none.</param>
    /// <param name="entries">Entries of a second table, a power of two.</param>
    /// <param name="isBigEndian">How words lie.</param>
    protected TwoLevelMap(BlockNode file, BlockNode? backing, long lengthBytes, int blockBytes, ulong[] first, int entries, bool isBigEndian) : base(file, backing, lengthBytes, blockBytes)
    {
        _first = first;
        _entries = entries;
        _isBigEndian = isBigEndian;
        _pageBytes = Math.Min(PageBytes, entries * EntryBytes);
        int pages = entries * EntryBytes / _pageBytes;
        _second = new TablePages(file, _pageBytes, checked(first.Length * pages), page => (long)first[page / pages] + ((long)(page % pages) * _pageBytes));
    }

    /// <summary>Reads a first table. Throws <see cref="ImageException"/> where it, or a second table, is not in the file.</summary>
    internal static async ValueTask<ulong[]> ReadFirstAsync(BlockNode file, ulong offset, long count, long secondBytes, bool isBigEndian, int maxEntries, CancellationToken cancellation)
    {
        if (count > maxEntries) throw new ImageException("Image too large");
        byte[] bytes = new byte[count * EntryBytes];
        if (offset > (ulong)Math.Max(0, file.LengthBytes - bytes.Length)) throw new ImageException("The image's L1 table is outside the file");
        await file.ReadBytesAsync((long)offset, bytes, cancellation).ConfigureAwait(false);
        ulong[] first = new ulong[count];
        for (int i = 0; i < first.Length; i++)
        {
            first[i] = Word(bytes.AsSpan(i * EntryBytes), isBigEndian);
            if (first[i] != 0 && first[i] > (ulong)Math.Max(0, file.LengthBytes - secondBytes)) throw new ImageException($"The image's L2 table {i} is outside the file");
        }
        return first;
    }

    /// <summary>What an entry says of a run within a block.</summary>
    /// <param name="entry">The entry.</param>
    /// <param name="within">Where the run begins in the block.</param>
    /// <param name="lengthBytes">Its length.</param>
    protected abstract MapRun Decode(ulong entry, int within, long lengthBytes);

    /// <inheritdoc/>
    protected sealed override bool TryFind(long offset, long lengthBytes, out MapRun run)
    {
        long block = offset / BlockBytes, reach = (long)BlockBytes * _entries;
        int within = (int)(offset % BlockBytes);
        run = default;
        if (_first[block / _entries] == 0)
        {
            run = new MapRun(MapKind.Hole, Math.Min(lengthBytes, reach - (offset % reach)));
            return true;
        }
        if (_second.Find(PageOf(block)) is not byte[] page) return false;
        ulong entry = Word(page.AsSpan((int)(block % (_pageBytes / EntryBytes)) * EntryBytes), _isBigEndian);
        run = Decode(entry, within, Math.Min(lengthBytes, BlockBytes - within));
        return true;
    }

    /// <inheritdoc/>
    protected sealed override ValueTask LoadAsync(long offset, CancellationToken cancellation) => _second.LoadAsync(PageOf(offset / BlockBytes), cancellation);

    /// <inheritdoc/>
    public override void Dispose()
    {
        _second.Dispose();
        base.Dispose();
    }

    /// <summary>Data at a place, if it is one: sane images have nothing behind the file's end.</summary>
    protected MapRun Data(ulong place, int within, long lengthBytes) => place < (ulong)File.LengthBytes
        ? new MapRun(MapKind.Data, lengthBytes, (long)place + within)
        : throw new BlockIoException($"\"{File.Filename}\": a cluster has its place outside the file ({place}).");

    private int PageOf(long block) => (int)(block / (_pageBytes / EntryBytes));

    private static ulong Word(ReadOnlySpan<byte> bytes, bool isBigEndian) => isBigEndian ? BinaryPrimitives.ReadUInt64BigEndian(bytes) : BinaryPrimitives.ReadUInt64LittleEndian(bytes);
}
