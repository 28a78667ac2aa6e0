using System;
using System.Buffers.Binary;
using System.Numerics;

namespace Hutch.Vmm.Snapshot;

/// <summary>
/// Where things are in a state file; all numbers are little-endian, all checksums CRC-32C.
/// <code>
///   0        header: magic, version, lengths, checksums
///   4096     sections: length of the name, name, length, checksum, body; one for the definition, one for each part of the machine
///            page index: one bit for each page of RAM, set where it is not all zero
///            checksums: one for each chunk of RAM, over its pages that are not all zero
///   aligned  RAM, each page at its place, so that it can be mapped; pages that are all zero are holes
/// </code>
/// </summary>
internal static class StateFileLayout
{
    internal const int HeaderBytes = 4096, PageBytes = 4096, ChunkBytes = 2 << 20, PagesPerChunk = ChunkBytes / PageBytes;

    /// <summary>The first version; a reader refuses what is newer.</summary>
    internal const uint Version = 1;

    /// <summary>The most that a reader takes for sections: a machine has some tens of kilobytes for each vCPU.</summary>
    internal const long MostSectionBytes = 128 << 20;

    /// <summary>First bytes of every state file.</summary>
    internal static ReadOnlySpan<byte> Magic => "HUTCH-VM"u8;

    /// <summary>CRC-32C.</summary>
    internal static uint Checksum(ReadOnlySpan<byte> bytes, uint before = 0)
    {
        uint sum = ~before;
        for (; bytes.Length >= 8; bytes = bytes[8..]) sum = BitOperations.Crc32C(sum, BinaryPrimitives.ReadUInt64LittleEndian(bytes));
        foreach (byte value in bytes) sum = BitOperations.Crc32C(sum, value);
        return ~sum;
    }
}

/// <summary>The header's numbers.</summary>
/// <param name="SectionBytes">Length of the sections.</param>
/// <param name="SectionChecksum">Checksum of the sections.</param>
/// <param name="RamBytes">Guest RAM, a multiple of the page size.</param>
/// <param name="IndexChecksum">Checksum of the page index and the chunks' checksums.</param>
internal readonly record struct StateFileHeader(long SectionBytes, uint SectionChecksum, long RamBytes, uint IndexChecksum)
{
    private const int ChecksumOffset = StateFileLayout.HeaderBytes - 4;

    /// <summary>Length of the page index in bytes.</summary>
    internal long BitmapBytes => ((RamBytes / StateFileLayout.PageBytes) + 7) / 8;

    /// <summary>Number of chunks of RAM.</summary>
    internal long Chunks => (RamBytes + StateFileLayout.ChunkBytes - 1) / StateFileLayout.ChunkBytes;

    /// <summary>Where the page index begins; the chunks' checksums follow it.</summary>
    internal long IndexOffset => StateFileLayout.HeaderBytes + SectionBytes;

    /// <summary>Length of page index and checksums.</summary>
    internal long IndexBytes => BitmapBytes + (Chunks * sizeof(uint));

    /// <summary>Where RAM begins.</summary>
    internal long RamOffset => (IndexOffset + IndexBytes + StateFileLayout.ChunkBytes - 1) / StateFileLayout.ChunkBytes * StateFileLayout.ChunkBytes;

    /// <summary>Writes the header.</summary>
    internal byte[] ToBytes()
    {
        byte[] bytes = new byte[StateFileLayout.HeaderBytes];
        StateFileLayout.Magic.CopyTo(bytes);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(8), StateFileLayout.Version);
        BinaryPrimitives.WriteInt64LittleEndian(bytes.AsSpan(16), SectionBytes);
        BinaryPrimitives.WriteInt64LittleEndian(bytes.AsSpan(24), RamBytes);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(32), SectionChecksum);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(36), IndexChecksum);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(ChecksumOffset), StateFileLayout.Checksum(bytes.AsSpan(0, ChecksumOffset)));
        return bytes;
    }

    /// <summary>Reads a header. Null and a reason when it is none.</summary>
    internal static StateFileHeader? Read(ReadOnlySpan<byte> bytes, out string reason)
    {
        reason = "it is no state of a machine";
        if (bytes.Length < StateFileLayout.HeaderBytes || !bytes.StartsWith(StateFileLayout.Magic)) return null;
        reason = "its header is damaged";
        uint sum = BinaryPrimitives.ReadUInt32LittleEndian(bytes[ChecksumOffset..]);
        if (sum != StateFileLayout.Checksum(bytes[..ChecksumOffset])) return null;
        reason = "a newer hutch saved it";
        if (BinaryPrimitives.ReadUInt32LittleEndian(bytes[8..]) != StateFileLayout.Version) return null;
        StateFileHeader header = new(BinaryPrimitives.ReadInt64LittleEndian(bytes[16..]), BinaryPrimitives.ReadUInt32LittleEndian(bytes[32..]),
            BinaryPrimitives.ReadInt64LittleEndian(bytes[24..]), BinaryPrimitives.ReadUInt32LittleEndian(bytes[36..]));
        reason = "its header has impossible lengths";
        bool sound = header.SectionBytes is >= 0 and <= StateFileLayout.MostSectionBytes
            && header.RamBytes is > 0 and <= 1L << 46 && header.RamBytes % StateFileLayout.PageBytes == 0;
        return sound ? header : null;
    }
}
