using System;
using System.Buffers.Binary;

namespace Hutch.Block.Formats.Vhdx;

/// <summary>An entry of the log (MS-VHDX §2.3.1): a head with descriptors, and a sector of 4 KiB for each that brings data. Valid as a whole or not at all.</summary>
internal sealed class VhdxLogEntry
{
    /// <summary>Unit of everything in a log.</summary>
    internal const int SectorBytes = 4096;

    private const int HeadBytes = 64, DescriptorBytes = 32, ChecksumOffset = 4;

    private readonly byte[] _bytes;
    private readonly int _dataOffset;

    private VhdxLogEntry(byte[] bytes, uint offset, int dataOffset)
    {
        _bytes = bytes;
        Offset = offset;
        _dataOffset = dataOffset;
    }

    private static ReadOnlySpan<byte> Signature => "loge"u8;

    /// <summary>Where it lies in the log.</summary>
    internal uint Offset { get; }

    /// <summary>Length in bytes.</summary>
    internal int LengthBytes => _bytes.Length;

    /// <summary>Where the oldest entry lies that had not been applied for sure when this one was written.</summary>
    internal uint Tail => BinaryPrimitives.ReadUInt32LittleEndian(_bytes.AsSpan(12));

    /// <summary>Its number.</summary>
    internal ulong Sequence => BinaryPrimitives.ReadUInt64LittleEndian(_bytes.AsSpan(16));

    /// <summary>Descriptors.</summary>
    internal int Descriptors => (int)BinaryPrimitives.ReadUInt32LittleEndian(_bytes.AsSpan(24));

    /// <summary>The file was at least this long, durably.</summary>
    internal ulong FlushedFileBytes => BinaryPrimitives.ReadUInt64LittleEndian(_bytes.AsSpan(48));

    /// <summary>The file must be at least this long.</summary>
    internal ulong LastFileBytes => BinaryPrimitives.ReadUInt64LittleEndian(_bytes.AsSpan(56));

    /// <summary>The entry's length, if a head begins here that could be valid; 0 otherwise.</summary>
    /// <param name="sector">The first sector.</param>
    /// <param name="logBytes">Length of the log.</param>
    internal static int PeekLength(ReadOnlySpan<byte> sector, uint logBytes)
    {
        if (!sector.StartsWith(Signature)) return 0;
        uint length = BinaryPrimitives.ReadUInt32LittleEndian(sector[8..]), tail = BinaryPrimitives.ReadUInt32LittleEndian(sector[12..]);
        bool possible = length >= SectorBytes && length <= logBytes && length % SectorBytes == 0 && length <= int.MaxValue / 2 && tail < logBytes && tail % SectorBytes == 0
            && BinaryPrimitives.ReadUInt64LittleEndian(sector[16..]) != 0;
        return possible ? (int)length : 0;
    }

    /// <summary>Checks a whole entry; null where it is not valid.</summary>
    internal static VhdxLogEntry? Parse(byte[] bytes, uint offset, Guid logId)
    {
        if (new Guid(bytes.AsSpan(32, 16)) != logId || !VhdxChecksum.IsRight(bytes, ChecksumOffset)) return null;
        uint count = BinaryPrimitives.ReadUInt32LittleEndian(bytes.AsSpan(24));
        if (count > (bytes.Length - HeadBytes) / DescriptorBytes) return null;
        int heads = (HeadBytes + ((int)count * DescriptorBytes) + SectorBytes - 1) / SectorBytes * SectorBytes;
        VhdxLogEntry entry = new(bytes, offset, heads);
        int data = 0;
        for (int i = 0; i < count; i++)
        {
            ReadOnlySpan<byte> descriptor = entry.Descriptor(i);
            if (BinaryPrimitives.ReadUInt64LittleEndian(descriptor[24..]) != entry.Sequence || BinaryPrimitives.ReadUInt64LittleEndian(descriptor[16..]) % SectorBytes != 0) return null;
            if (descriptor.StartsWith("zero"u8))
            {
                if (BinaryPrimitives.ReadUInt64LittleEndian(descriptor[8..]) % SectorBytes != 0) return null;
                continue;
            }
            if (!descriptor.StartsWith("desc"u8) || !entry.IsDataSector(data++)) return null;
        }
        return heads + (data * SectorBytes) == bytes.Length ? entry : null;
    }

    /// <summary>Where descriptor <paramref name="index"/> writes, and how long.</summary>
    internal (ulong Offset, ulong LengthBytes, bool IsZero) Target(int index)
    {
        ReadOnlySpan<byte> descriptor = Descriptor(index);
        bool isZero = descriptor.StartsWith("zero"u8);
        return (BinaryPrimitives.ReadUInt64LittleEndian(descriptor[16..]), isZero ? BinaryPrimitives.ReadUInt64LittleEndian(descriptor[8..]) : SectorBytes, isZero);
    }

    /// <summary>The sector that descriptor <paramref name="index"/> writes, with the bytes back in it that marked it; <paramref name="data"/> is its number among data sectors.</summary>
    internal byte[] Sector(int index, int data)
    {
        byte[] sector = _bytes.AsSpan(_dataOffset + (data * SectorBytes), SectorBytes).ToArray();
        ReadOnlySpan<byte> descriptor = Descriptor(index);
        descriptor.Slice(8, 8).CopyTo(sector);
        descriptor.Slice(4, 4).CopyTo(sector.AsSpan(SectorBytes - 4));
        return sector;
    }

    private ReadOnlySpan<byte> Descriptor(int index) => _bytes.AsSpan(HeadBytes + (index * DescriptorBytes), DescriptorBytes);

    private bool IsDataSector(int index)
    {
        int at = _dataOffset + (index * SectorBytes);
        if (at > _bytes.Length - SectorBytes) return false;
        ReadOnlySpan<byte> sector = _bytes.AsSpan(at, SectorBytes);
        return sector.StartsWith("data"u8) && BinaryPrimitives.ReadUInt32LittleEndian(sector[4..]) == (uint)(Sequence >> 32)
            && BinaryPrimitives.ReadUInt32LittleEndian(sector[(SectorBytes - 4)..]) == (uint)Sequence;
    }
}
