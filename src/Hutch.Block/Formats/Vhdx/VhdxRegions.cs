using System;
using System.Buffers.Binary;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Graph;

namespace Hutch.Block.Formats.Vhdx;

/// <summary>A part of a VHDX file.</summary>
/// <param name="Offset">Where it begins.</param>
/// <param name="LengthBytes">How long it is.</param>
internal readonly record struct VhdxRegion(long Offset, long LengthBytes)
{
    /// <summary>Its end.</summary>
    internal long End => Offset + LengthBytes;

    /// <summary>Whether it shares bytes with another.</summary>
    internal bool Overlaps(long offset, long lengthBytes) => offset < End && Offset < offset + lengthBytes;
}

/// <summary>The region table (MS-VHDX §2.2.3): where block table and metadata lie. It is there twice; the copy serves where the first is damaged.</summary>
internal sealed record VhdxRegions(VhdxRegion Log, VhdxRegion Table, VhdxRegion Metadata)
{
    /// <summary>Length of the header section, which no region may touch.</summary>
    internal const long HeaderSectionBytes = 1 << 20;

    /// <summary>Unit of all places in the file.</summary>
    internal const long UnitBytes = 1 << 20;

    private const int FirstOffset = 192 * 1024, SecondOffset = 256 * 1024, Bytes = 64 * 1024;
    private const int HeadBytes = 16, EntryBytes = 32, MaxEntries = 2047, ChecksumOffset = 4;

    private static readonly Guid TableId = new("2DC27766-F623-4200-9D64-115E9BFD4A08");
    private static readonly Guid MetadataId = new("8B7CA206-4790-4B9A-B8FE-575F050F886E");

    private static ReadOnlySpan<byte> Signature => "regi"u8;

    /// <summary>Reads the table. Throws <see cref="ImageException"/>.</summary>
    internal static async ValueTask<VhdxRegions> ReadAsync(BlockNode file, VhdxHeader header, CancellationToken cancellation)
    {
        byte[] bytes = new byte[Bytes];
        await file.ReadBytesAsync(FirstOffset, bytes, cancellation).ConfigureAwait(false);
        if (!IsValid(bytes)) await file.ReadBytesAsync(SecondOffset, bytes, cancellation).ConfigureAwait(false);
        if (!IsValid(bytes)) throw new ImageException("VHDX region table is damaged");
        return Parse(bytes, header, file.LengthBytes);
    }

    /// <summary>Writes both copies.</summary>
    internal async ValueTask WriteAsync(BlockNode file, CancellationToken cancellation)
    {
        byte[] bytes = new byte[Bytes];
        Signature.CopyTo(bytes);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(8), 2);
        Put(bytes.AsSpan(HeadBytes), TableId, Table);
        Put(bytes.AsSpan(HeadBytes + EntryBytes), MetadataId, Metadata);
        VhdxChecksum.Put(bytes, ChecksumOffset);
        await file.WriteBytesAsync(FirstOffset, bytes, WriteFlags.None, cancellation).ConfigureAwait(false);
        await file.WriteBytesAsync(SecondOffset, bytes, WriteFlags.None, cancellation).ConfigureAwait(false);
    }

    /// <summary>Whether a block that lies there would touch a structure of the file.</summary>
    internal bool Touches(long offset, long lengthBytes) => offset < HeaderSectionBytes
        || Log.Overlaps(offset, lengthBytes) || Table.Overlaps(offset, lengthBytes) || Metadata.Overlaps(offset, lengthBytes);

    private static bool IsValid(ReadOnlySpan<byte> bytes) => bytes.StartsWith(Signature) && VhdxChecksum.IsRight(bytes, ChecksumOffset);

    private static VhdxRegions Parse(ReadOnlySpan<byte> bytes, VhdxHeader header, long fileBytes)
    {
        uint count = BinaryPrimitives.ReadUInt32LittleEndian(bytes[8..]);
        if (count > MaxEntries) throw new ImageException("VHDX region table has too many entries");
        VhdxRegion? table = null, metadata = null;
        for (int i = 0; i < count; i++)
        {
            ReadOnlySpan<byte> entry = bytes.Slice(HeadBytes + (i * EntryBytes), EntryBytes);
            Guid id = new(entry[..16]);
            VhdxRegion region = Check(BinaryPrimitives.ReadUInt64LittleEndian(entry[16..]), BinaryPrimitives.ReadUInt32LittleEndian(entry[24..]), fileBytes);
            if (id == TableId && table is null) table = region;
            else if (id == MetadataId && metadata is null) metadata = region;
            else if (id == TableId || id == MetadataId) throw new ImageException("VHDX region table names a region twice");
            else if ((BinaryPrimitives.ReadUInt32LittleEndian(entry[28..]) & 1) != 0) throw new ImageException($"VHDX region {id} is required and not known");
        }
        if (table is null || metadata is null) throw new ImageException("VHDX region table has no block table or no metadata");
        VhdxRegion log = header.LogBytes == 0 ? default : Check(header.LogOffset, header.LogBytes, fileBytes);
        CheckApart(table.Value, metadata.Value);
        CheckApart(table.Value, log);
        CheckApart(metadata.Value, log);
        return new VhdxRegions(log, table.Value, metadata.Value);
    }

    /// <summary>A region of a file of this length. Throws <see cref="ImageException"/> for one that cannot be.</summary>
    internal static VhdxRegion Check(ulong offset, uint lengthBytes, long fileBytes)
    {
        if (offset < HeaderSectionBytes || offset % UnitBytes != 0 || lengthBytes == 0 || lengthBytes % UnitBytes != 0 || offset > (ulong)fileBytes
            || (long)offset > fileBytes - lengthBytes)
            throw new ImageException($"VHDX region of {lengthBytes} bytes at {offset} cannot be in a file of {fileBytes} bytes");
        return new VhdxRegion((long)offset, lengthBytes);
    }

    private static void CheckApart(VhdxRegion one, VhdxRegion other)
    {
        if (one.Overlaps(other.Offset, other.LengthBytes))
            throw new ImageException($"VHDX region {one.Offset}-{one.End} overlaps with region {other.Offset}-{other.End}.");
    }

    private static void Put(Span<byte> entry, Guid id, VhdxRegion region)
    {
        id.TryWriteBytes(entry);
        BinaryPrimitives.WriteInt64LittleEndian(entry[16..], region.Offset);
        BinaryPrimitives.WriteUInt32LittleEndian(entry[24..], (uint)region.LengthBytes);
        BinaryPrimitives.WriteUInt32LittleEndian(entry[28..], 1);
    }
}
