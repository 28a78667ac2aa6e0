using System;
using System.Buffers.Binary;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Graph;

namespace Hutch.Block.Formats.Vmdk;

/// <summary>The header of a sparse extent (VMware Virtual Disk Format 5.0, "Hosted Sparse Extents"): little-endian, one sector. Offsets are in sectors.</summary>
internal sealed record VmdkSparseHeader
{
    /// <summary>Length in bytes, and of a sector.</summary>
    internal const int Bytes = 512;

    /// <summary>Entries of a grain table.</summary>
    internal const int TableEntries = 512;

    /// <summary>Zeroed grains have an entry of 1.</summary>
    internal const uint ZeroGrainFlag = 4;

    private const uint RedundantFlag = 2, CompressedFlag = 1 << 16, MarkersFlag = 1 << 17;
    private const ulong AtEnd = ulong.MaxValue;
    private const int MaxTables = 4 << 20, MaxGrainBytes = 1 << 30, MaxCompressedGrainBytes = 1 << 20, FooterBytes = 3 * Bytes;

    /// <summary>Magic number.</summary>
    internal static ReadOnlySpan<byte> Magic => "KDMV"u8;

    /// <summary>1; 2 with zeroed grains; 3 with more.</summary>
    internal required uint Version { get; init; }

    /// <summary>Flags.</summary>
    internal required uint Flags { get; init; }

    /// <summary>Length of the extent.</summary>
    internal required long CapacitySectors { get; init; }

    /// <summary>Length of a grain in bytes.</summary>
    internal required int GrainBytes { get; init; }

    /// <summary>Where the descriptor lies; 0 for none.</summary>
    internal long DescriptorOffset { get; init; }

    /// <summary>Length of the descriptor.</summary>
    internal long DescriptorSectors { get; init; }

    /// <summary>Entries of each grain table.</summary>
    internal int Entries { get; init; } = TableEntries;

    /// <summary>The second grain directory.</summary>
    internal long RedundantOffset { get; init; }

    /// <summary>The grain directory.</summary>
    internal required long DirectoryOffset { get; init; }

    /// <summary>Where grains begin.</summary>
    internal long OverheadSectors { get; init; }

    /// <summary>Grains are compressed.</summary>
    internal bool IsCompressed => (Flags & CompressedFlag) != 0;

    /// <summary>Grains have their place on the disk and their length before them.</summary>
    internal bool HasMarkers => (Flags & MarkersFlag) != 0;

    /// <summary>Tables are there twice.</summary>
    internal bool IsRedundant => (Flags & RedundantFlag) != 0;

    /// <summary>Grain tables of the extent.</summary>
    internal int Tables => (int)((CapacitySectors + TableSectors - 1) / TableSectors);

    private long TableSectors => (long)GrainBytes / Bytes * Entries;

    /// <summary>Reads and checks a file's header; that of a stream's end where the first says so. Throws <see cref="ImageException"/>.</summary>
    internal static async ValueTask<VmdkSparseHeader> ReadAsync(BlockNode file, bool readOnly, CancellationToken cancellation)
    {
        byte[] bytes = new byte[Bytes];
        await file.ReadBytesAsync(0, bytes, cancellation).ConfigureAwait(false);
        if (!bytes.AsSpan().StartsWith(Magic)) throw new ImageException("Image not in VMDK format");
        if (BinaryPrimitives.ReadUInt64LittleEndian(bytes.AsSpan(56)) == AtEnd)
        {
            byte[] footer = new byte[FooterBytes];
            if (file.LengthBytes < footer.Length) throw new ImageException("Failed to read footer");
            await file.ReadBytesAsync(file.LengthBytes - footer.Length, footer, cancellation).ConfigureAwait(false);
            if (!IsFooter(footer)) throw new ImageException("Invalid footer");
            bytes = footer.AsSpan(Bytes, Bytes).ToArray();
        }
        return Parse(bytes, file.LengthBytes, readOnly);
    }

    /// <summary>Writes it.</summary>
    internal byte[] ToBytes()
    {
        byte[] bytes = new byte[Bytes];
        Magic.CopyTo(bytes);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(4), Version);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(8), Flags);
        BinaryPrimitives.WriteInt64LittleEndian(bytes.AsSpan(12), CapacitySectors);
        BinaryPrimitives.WriteInt64LittleEndian(bytes.AsSpan(20), GrainBytes / Bytes);
        BinaryPrimitives.WriteInt64LittleEndian(bytes.AsSpan(28), DescriptorOffset);
        BinaryPrimitives.WriteInt64LittleEndian(bytes.AsSpan(36), DescriptorSectors);
        BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(44), Entries);
        BinaryPrimitives.WriteInt64LittleEndian(bytes.AsSpan(48), RedundantOffset);
        BinaryPrimitives.WriteInt64LittleEndian(bytes.AsSpan(56), DirectoryOffset);
        BinaryPrimitives.WriteInt64LittleEndian(bytes.AsSpan(64), OverheadSectors);
        "\n \r\n"u8.CopyTo(bytes.AsSpan(73));
        BinaryPrimitives.WriteUInt16LittleEndian(bytes.AsSpan(77), (ushort)(IsCompressed ? 1 : 0));
        return bytes;
    }

    /// <summary>The flags of a new extent.</summary>
    internal static uint FlagsOf(bool isCompressed, bool zeroGrains) => 1 | RedundantFlag | (isCompressed ? CompressedFlag | MarkersFlag : 0) | (zeroGrains ? ZeroGrainFlag : 0);

    private static VmdkSparseHeader Parse(ReadOnlySpan<byte> bytes, long fileBytes, bool readOnly)
    {
        uint version = BinaryPrimitives.ReadUInt32LittleEndian(bytes[4..]), flags = BinaryPrimitives.ReadUInt32LittleEndian(bytes[8..]), entries = BinaryPrimitives.ReadUInt32LittleEndian(bytes[44..]);
        bool compressed = (flags & CompressedFlag) != 0;
        if (version > 3) throw new ImageException($"Unsupported VMDK version {version}");
        if (version == 3 && !readOnly && !compressed) throw new ImageException("VMDK version 3 must be read only");
        if (entries == 0 || entries > TableEntries) throw new ImageException("L2 table size too big");
        ulong grain = BinaryPrimitives.ReadUInt64LittleEndian(bytes[20..]), capacity = BinaryPrimitives.ReadUInt64LittleEndian(bytes[12..]);
        if (grain == 0 || grain > (ulong)(compressed ? MaxCompressedGrainBytes : MaxGrainBytes) / Bytes || (grain & (grain - 1)) != 0) throw new ImageException("Invalid granularity, image may be corrupt");
        if (capacity > long.MaxValue / 1024 || capacity / (grain * entries) >= MaxTables) throw new ImageException("L1 size too big");
        VmdkSparseHeader header = new()
        {
            Version = version,
            Flags = flags,
            CapacitySectors = (long)capacity,
            GrainBytes = (int)grain * Bytes,
            DescriptorOffset = Offset(bytes[28..]),
            DescriptorSectors = Offset(bytes[36..]),
            Entries = (int)entries,
            RedundantOffset = Offset(bytes[48..]),
            DirectoryOffset = Offset(bytes[56..]),
            OverheadSectors = Offset(bytes[64..]),
        };
        if (fileBytes < header.OverheadSectors * Bytes) throw new ImageException($"File truncated, expecting at least {header.OverheadSectors * Bytes} bytes");
        return header;
    }

    private static long Offset(ReadOnlySpan<byte> bytes) => BinaryPrimitives.ReadUInt64LittleEndian(bytes) is ulong sectors and < (ulong)long.MaxValue / 1024
        ? (long)sectors : throw new ImageException("invalid file descriptor address");

    // A marker for the footer, the footer, a marker for the stream's end.
    private static bool IsFooter(ReadOnlySpan<byte> bytes) =>
        BinaryPrimitives.ReadUInt32LittleEndian(bytes[8..]) == 0 && BinaryPrimitives.ReadUInt32LittleEndian(bytes[12..]) == 3
        && bytes[Bytes..].StartsWith(Magic) && BinaryPrimitives.ReadUInt64LittleEndian(bytes[(Bytes + 56)..]) != AtEnd
        && !bytes.Slice(2 * Bytes, 16).ContainsAnyExcept((byte)0);
}
