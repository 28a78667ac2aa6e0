using System;
using System.Buffers.Binary;
using System.Collections.Generic;
using System.Text;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Graph;

namespace Hutch.Block.Formats.Vhdx;

/// <summary>The metadata of a VHDX file (MS-VHDX §2.6): what the disk is like.</summary>
internal sealed record VhdxMetadata
{
    /// <summary>The longest disk: 64 TiB.</summary>
    internal const long MaxDiskBytes = 64L << 40;

    /// <summary>The smallest block.</summary>
    internal const int MinBlockBytes = 1 << 20;

    /// <summary>The largest block.</summary>
    internal const int MaxBlockBytes = 256 << 20;

    private const int TableBytes = 64 * 1024, HeadBytes = 32, EntryBytes = 32, MaxEntries = 2047, MaxItemBytes = 1 << 20;

    private static readonly Guid FileParametersId = new("CAA16737-FA36-4D43-B3B6-33F0AA44E76B");
    private static readonly Guid DiskBytesId = new("2FA54224-CD1B-4876-B211-5DBED83BF4B8");
    private static readonly Guid DiskIdId = new("BECA12AB-B2E6-4523-93EF-C309E000C746");
    private static readonly Guid LogicalSectorId = new("8141BF1D-A96F-4709-BA47-F233A8FAAB5F");
    private static readonly Guid PhysicalSectorId = new("CDA348C7-445D-4471-9CC9-E9885251C556");
    private static readonly Guid ParentLocatorId = new("A8D35F2D-B30B-454D-ABF7-D3D84834AB0C");
    private static readonly Guid ParentLocatorType = new("B04AEFB7-D19E-4A81-B789-25B8E9445913");

    private static ReadOnlySpan<byte> Signature => "metadata"u8;

    /// <summary>Length of a block in bytes.</summary>
    internal required int BlockBytes { get; init; }

    /// <summary>Blocks keep their places: a fixed disk.</summary>
    internal bool LeavesBlocksAllocated { get; init; }

    /// <summary>Length of the disk in bytes.</summary>
    internal required long DiskBytes { get; init; }

    /// <summary>Length of the disk's sectors in bytes: 512 or 4096.</summary>
    internal int SectorBytes { get; init; } = 512;

    /// <summary>How the parent is found, by the keys of MS-VHDX §2.6.2.6.3; null for a disk without one.</summary>
    internal IReadOnlyDictionary<string, string>? Parent { get; init; }

    /// <summary>Blocks for which one sector bitmap block speaks (MS-VHDX §2.4).</summary>
    internal int ChunkBlocks => (int)((1L << 23) * SectorBytes / BlockBytes);

    /// <summary>Blocks of the disk.</summary>
    internal long Blocks => (DiskBytes + BlockBytes - 1) / BlockBytes;

    /// <summary>Entries of the block table, with those of the sector bitmap blocks between them (MS-VHDX §2.5).</summary>
    internal long Entries => Blocks == 0 ? 0 : Parent is null ? Blocks + ((Blocks - 1) / ChunkBlocks) : (Blocks + ChunkBlocks - 1) / ChunkBlocks * (ChunkBlocks + 1L);

    /// <summary>Reads it. Throws <see cref="ImageException"/>.</summary>
    internal static async ValueTask<VhdxMetadata> ReadAsync(BlockNode file, VhdxRegion region, CancellationToken cancellation)
    {
        byte[] table = new byte[TableBytes];
        await file.ReadBytesAsync(region.Offset, table, cancellation).ConfigureAwait(false);
        Dictionary<Guid, byte[]> items = [];
        foreach ((Guid id, long offset, int length) in ParseTable(table, region))
        {
            byte[] item = new byte[length];
            await file.ReadBytesAsync(region.Offset + offset, item, cancellation).ConfigureAwait(false);
            if (!items.TryAdd(id, item)) throw new ImageException($"VHDX metadata has the item {id} twice");
        }
        return Parse(items);
    }

    /// <summary>The region's content, <see cref="TableBytes"/> for the table and the items behind it.</summary>
    internal byte[] ToBytes(Guid diskId)
    {
        byte[] parameters = new byte[8], length = new byte[8], sector = new byte[4];
        BinaryPrimitives.WriteInt32LittleEndian(parameters, BlockBytes);
        BinaryPrimitives.WriteInt32LittleEndian(parameters.AsSpan(4), (LeavesBlocksAllocated ? 1 : 0) | (Parent is null ? 0 : 2));
        BinaryPrimitives.WriteInt64LittleEndian(length, DiskBytes);
        BinaryPrimitives.WriteInt32LittleEndian(sector, SectorBytes);
        List<(Guid Id, byte[] Content, uint Flags)> items =
        [
            (FileParametersId, parameters, 4), (DiskBytesId, length, 6), (DiskIdId, diskId.ToByteArray(), 6), (LogicalSectorId, sector, 6), (PhysicalSectorId, sector, 6),
        ];
        if (Parent is not null) items.Add((ParentLocatorId, VhdxParentLocator.ToBytes(ParentLocatorType, Parent), 4));
        byte[] bytes = new byte[TableBytes + 8192];
        Signature.CopyTo(bytes);
        BinaryPrimitives.WriteUInt16LittleEndian(bytes.AsSpan(10), (ushort)items.Count);
        int at = TableBytes, entry = HeadBytes;
        foreach ((Guid id, byte[] content, uint flags) in items)
        {
            id.TryWriteBytes(bytes.AsSpan(entry));
            BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(entry + 16), at);
            BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(entry + 20), content.Length);
            BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(entry + 24), flags);
            content.CopyTo(bytes, at);
            at += content.Length;
            entry += EntryBytes;
        }
        return bytes;
    }

    private static List<(Guid Id, long Offset, int Length)> ParseTable(ReadOnlySpan<byte> table, VhdxRegion region)
    {
        if (!table.StartsWith(Signature)) throw new ImageException("VHDX metadata table is damaged");
        int count = BinaryPrimitives.ReadUInt16LittleEndian(table[10..]);
        if (count > MaxEntries) throw new ImageException("VHDX metadata table has too many entries");
        List<(Guid Id, long Offset, int Length)> known = [];
        for (int i = 0; i < count; i++)
        {
            ReadOnlySpan<byte> entry = table.Slice(HeadBytes + (i * EntryBytes), EntryBytes);
            Guid id = new(entry[..16]);
            uint offset = BinaryPrimitives.ReadUInt32LittleEndian(entry[16..]), length = BinaryPrimitives.ReadUInt32LittleEndian(entry[20..]), flags = BinaryPrimitives.ReadUInt32LittleEndian(entry[24..]);
            if (!IsKnown(id))
            {
                if ((flags & 4) != 0) throw new ImageException($"VHDX metadata item {id} is required and not known");
                continue;
            }
            if (offset < TableBytes || length == 0 || length > MaxItemBytes || offset + (long)length > region.LengthBytes) throw new ImageException($"VHDX metadata item {id} is outside its region");
            if (known.Count == 6) throw new ImageException($"VHDX metadata has the item {id} twice");
            known.Add((id, offset, (int)length));
        }
        return known;
    }

    private static bool IsKnown(Guid id) => id == FileParametersId || id == DiskBytesId || id == DiskIdId || id == LogicalSectorId || id == PhysicalSectorId || id == ParentLocatorId;

    private static VhdxMetadata Parse(Dictionary<Guid, byte[]> items)
    {
        byte[] parameters = Item(items, FileParametersId, 8);
        uint block = BinaryPrimitives.ReadUInt32LittleEndian(parameters), flags = BinaryPrimitives.ReadUInt32LittleEndian(parameters.AsSpan(4));
        ulong length = BinaryPrimitives.ReadUInt64LittleEndian(Item(items, DiskBytesId, 8));
        uint logical = BinaryPrimitives.ReadUInt32LittleEndian(Item(items, LogicalSectorId, 4)), physical = BinaryPrimitives.ReadUInt32LittleEndian(Item(items, PhysicalSectorId, 4));
        _ = Item(items, DiskIdId, 16);
        if (block < MinBlockBytes || block > MaxBlockBytes || (block & (block - 1)) != 0) throw new ImageException($"VHDX block size {block} is not a power of two from 1 MiB to 256 MiB");
        if (logical is not (512 or 4096) || physical is not (512 or 4096)) throw new ImageException($"VHDX sector sizes {logical} and {physical} are not 512 or 4096");
        if (length > MaxDiskBytes || length % logical != 0) throw new ImageException($"VHDX disk size {length} is not a number of sectors up to 64 TiB");
        return new VhdxMetadata
        {
            BlockBytes = (int)block,
            LeavesBlocksAllocated = (flags & 3) == 1,
            DiskBytes = (long)length,
            SectorBytes = (int)logical,
            Parent = (flags & 2) == 0 ? null : VhdxParentLocator.Parse(ParentLocatorType, Item(items, ParentLocatorId, 20)),
        };
    }

    private static byte[] Item(Dictionary<Guid, byte[]> items, Guid id, int leastBytes) =>
        items.TryGetValue(id, out byte[]? item) && item.Length >= leastBytes ? item : throw new ImageException($"VHDX metadata has no item {id}");
}

/// <summary>The keys and values by which a VHDX file finds its parent (MS-VHDX §2.6.2.6): UTF-16, little-endian.</summary>
internal static class VhdxParentLocator
{
    private const int HeadBytes = 20, EntryBytes = 12, MaxPairs = 64;

    /// <summary>Reads them. Throws <see cref="ImageException"/>.</summary>
    internal static IReadOnlyDictionary<string, string> Parse(Guid type, ReadOnlySpan<byte> item)
    {
        if (new Guid(item[..16]) != type) throw new ImageException("VHDX parent locator is of another type");
        int count = BinaryPrimitives.ReadUInt16LittleEndian(item[18..]);
        if (count > MaxPairs || HeadBytes + (count * EntryBytes) > item.Length) throw new ImageException("VHDX parent locator is damaged");
        Dictionary<string, string> pairs = new(StringComparer.Ordinal);
        for (int i = 0; i < count; i++)
        {
            ReadOnlySpan<byte> entry = item.Slice(HeadBytes + (i * EntryBytes), EntryBytes);
            string key = Text(item, BinaryPrimitives.ReadUInt32LittleEndian(entry), BinaryPrimitives.ReadUInt16LittleEndian(entry[8..]));
            pairs[key] = Text(item, BinaryPrimitives.ReadUInt32LittleEndian(entry[4..]), BinaryPrimitives.ReadUInt16LittleEndian(entry[10..]));
        }
        return pairs;
    }

    /// <summary>Writes them.</summary>
    internal static byte[] ToBytes(Guid type, IReadOnlyDictionary<string, string> pairs)
    {
        byte[] bytes = new byte[4096];
        type.TryWriteBytes(bytes);
        BinaryPrimitives.WriteUInt16LittleEndian(bytes.AsSpan(18), (ushort)pairs.Count);
        int entry = HeadBytes, at = HeadBytes + (pairs.Count * EntryBytes);
        foreach ((string key, string value) in pairs)
        {
            int keyBytes = Encoding.Unicode.GetBytes(key, bytes.AsSpan(at)), valueBytes = Encoding.Unicode.GetBytes(value, bytes.AsSpan(at + keyBytes));
            BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(entry), at);
            BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(entry + 4), at + keyBytes);
            BinaryPrimitives.WriteUInt16LittleEndian(bytes.AsSpan(entry + 8), (ushort)keyBytes);
            BinaryPrimitives.WriteUInt16LittleEndian(bytes.AsSpan(entry + 10), (ushort)valueBytes);
            at += keyBytes + valueBytes;
            entry += EntryBytes;
        }
        return bytes[..at];
    }

    private static string Text(ReadOnlySpan<byte> item, uint offset, int lengthBytes) => offset > item.Length - lengthBytes
        ? throw new ImageException("VHDX parent locator is damaged")
        : Encoding.Unicode.GetString(item.Slice((int)offset, lengthBytes));
}
