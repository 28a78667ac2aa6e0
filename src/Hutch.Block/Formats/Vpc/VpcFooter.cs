using System;
using System.Buffers.Binary;

namespace Hutch.Block.Formats.Vpc;

/// <summary>The kind of a VHD.</summary>
internal enum VpcType : uint
{
    /// <summary>The disk's bytes, and the footer.</summary>
    Fixed = 2,

    /// <summary>Blocks that are made as they are written.</summary>
    Dynamic = 3,

    /// <summary>The same, over a parent that shows through.</summary>
    Differencing = 4,
}

/// <summary>The footer of a VHD (Virtual Hard Disk Image Format 1.0): big-endian, 512 bytes, at the file's end and, but for fixed disks, at its beginning.</summary>
internal sealed record VpcFooter
{
    /// <summary>Length in bytes.</summary>
    internal const int Bytes = 512;

    private const int ChecksumOffset = 64;
    private const long TimeBase = 946684800;             // 2000-01-01 in seconds since 1970

    /// <summary>The footer's cookie.</summary>
    internal static ReadOnlySpan<byte> Cookie => "conectix"u8;

    /// <summary>Where the dynamic header lies; -1 for a fixed disk.</summary>
    internal required long HeaderOffset { get; init; }

    /// <summary>What made it, four characters.</summary>
    internal required string CreatorApplication { get; init; }

    /// <summary>The disk's length in bytes.</summary>
    internal required long CurrentBytes { get; init; }

    /// <summary>Geometry.</summary>
    internal required VpcGeometry Geometry { get; init; }

    /// <summary>Kind.</summary>
    internal required VpcType Type { get; init; }

    /// <summary>Its identity, by which children know it.</summary>
    internal required Guid UniqueId { get; init; }

    /// <summary>When it was made, in seconds since 1970.</summary>
    internal long TimeSeconds { get; init; }

    /// <summary>Reads a footer. Throws <see cref="ImageException"/>.</summary>
    internal static VpcFooter Parse(ReadOnlySpan<byte> bytes)
    {
        if (!bytes.StartsWith(Cookie)) throw new ImageException("invalid VPC image");
        if (!VpcChecksum.IsRight(bytes, ChecksumOffset)) throw new ImageException("Incorrect header checksum");
        return new VpcFooter
        {
            HeaderOffset = BinaryPrimitives.ReadInt64BigEndian(bytes[16..]),
            CreatorApplication = System.Text.Encoding.Latin1.GetString(bytes.Slice(28, 4)),
            CurrentBytes = BinaryPrimitives.ReadInt64BigEndian(bytes[48..]),
            Geometry = new VpcGeometry(BinaryPrimitives.ReadUInt16BigEndian(bytes[56..]), bytes[58], bytes[59]),
            Type = (VpcType)BinaryPrimitives.ReadUInt32BigEndian(bytes[60..]),
            UniqueId = new Guid(bytes.Slice(68, 16), bigEndian: true),
            TimeSeconds = BinaryPrimitives.ReadUInt32BigEndian(bytes[24..]) + TimeBase,
        };
    }

    /// <summary>Writes it.</summary>
    internal byte[] ToBytes()
    {
        byte[] bytes = new byte[Bytes];
        Cookie.CopyTo(bytes);
        BinaryPrimitives.WriteUInt32BigEndian(bytes.AsSpan(8), 2);
        BinaryPrimitives.WriteUInt32BigEndian(bytes.AsSpan(12), 0x00010000);
        BinaryPrimitives.WriteInt64BigEndian(bytes.AsSpan(16), HeaderOffset);
        BinaryPrimitives.WriteUInt32BigEndian(bytes.AsSpan(24), (uint)Math.Clamp(TimeSeconds - TimeBase, 0, uint.MaxValue));
        System.Text.Encoding.Latin1.GetBytes(CreatorApplication, bytes.AsSpan(28, 4));
        BinaryPrimitives.WriteUInt32BigEndian(bytes.AsSpan(32), 0x00050003);
        "Wi2k"u8.CopyTo(bytes.AsSpan(36));
        BinaryPrimitives.WriteInt64BigEndian(bytes.AsSpan(40), CurrentBytes);
        BinaryPrimitives.WriteInt64BigEndian(bytes.AsSpan(48), CurrentBytes);
        BinaryPrimitives.WriteUInt16BigEndian(bytes.AsSpan(56), Geometry.Cylinders);
        bytes[58] = Geometry.Heads;
        bytes[59] = Geometry.Sectors;
        BinaryPrimitives.WriteUInt32BigEndian(bytes.AsSpan(60), (uint)Type);
        UniqueId.TryWriteBytes(bytes.AsSpan(68), bigEndian: true, out _);
        VpcChecksum.Put(bytes, ChecksumOffset);
        return bytes;
    }

    /// <summary>
    /// The disk's length in bytes. Virtual PC goes by the geometry, Hyper-V and its kin by the length that stands there; who made the image tells which, and
    /// <paramref name="sizeCalculation"/> (QEMU's force_size_calc: chs, current_size) overrules. Throws <see cref="ImageException"/>.
    /// </summary>
    internal long DiskBytes(string? sizeCalculation)
    {
        bool byGeometry = sizeCalculation switch
        {
            "chs" => true,
            "current_size" => false,
            null => CreatorApplication is not ("win " or "qem2" or "d2v " or "tap\0" or "CTXS"),
            _ => throw new ImageException($"Invalid size calculation mode: '{sizeCalculation}'"),
        };
        long sectors = Geometry.Total;
        if (!byGeometry || (sectors == VpcGeometry.MaxSectors && sizeCalculation is null)) sectors = CurrentBytes / 512;
        if (sectors < 0 || sectors > VpcGeometry.MaxDiskSectors) throw new ImageException("File too large");
        return sectors * 512;
    }
}
