using System;
using System.Buffers.Binary;
using System.Collections.Immutable;
using System.Text;

namespace Hutch.Block.Formats.Vpc;

/// <summary>Where a differencing disk's parent can be found, for one platform.</summary>
/// <param name="Platform">The platform's code, four characters: W2ru, W2ku, MacX.</param>
/// <param name="Offset">Where the name lies in the file.</param>
/// <param name="LengthBytes">How long it is.</param>
internal readonly record struct VpcParentLocator(string Platform, long Offset, int LengthBytes);

/// <summary>The header of a dynamic or differencing VHD: big-endian, 1024 bytes.</summary>
internal sealed record VpcDynamicHeader
{
    /// <summary>Length in bytes.</summary>
    internal const int Bytes = 1024;

    /// <summary>Length of blocks that we make.</summary>
    internal const int DefaultBlockBytes = 2 << 20;

    private const int ChecksumOffset = 36, NameOffset = 64, NameBytes = 512, LocatorsOffset = 576, LocatorBytes = 24, Locators = 8;
    private const int MaxLocatorBytes = 64 * 1024, MaxBlockBytes = 256 << 20;

    private static ReadOnlySpan<byte> Cookie => "cxsparse"u8;

    /// <summary>Where the block table lies.</summary>
    internal required long TableOffset { get; init; }

    /// <summary>Its entries.</summary>
    internal required int Blocks { get; init; }

    /// <summary>Length of a block in bytes.</summary>
    internal required int BlockBytes { get; init; }

    /// <summary>Identity of the parent.</summary>
    internal Guid ParentId { get; init; }

    /// <summary>The parent's name.</summary>
    internal string ParentName { get; init; } = "";

    /// <summary>Its locators.</summary>
    internal ImmutableArray<VpcParentLocator> ParentLocators { get; init; } = [];

    /// <summary>Reads and checks it. Throws <see cref="ImageException"/>.</summary>
    internal static VpcDynamicHeader Parse(ReadOnlySpan<byte> bytes, long diskBytes)
    {
        if (!bytes.StartsWith(Cookie)) throw new ImageException("Invalid header magic");
        if (!VpcChecksum.IsRight(bytes, ChecksumOffset)) throw new ImageException("Incorrect header checksum");
        uint blocks = BinaryPrimitives.ReadUInt32BigEndian(bytes[28..]), blockBytes = BinaryPrimitives.ReadUInt32BigEndian(bytes[32..]);
        if (blockBytes < 512 || blockBytes > MaxBlockBytes || (blockBytes & (blockBytes - 1)) != 0) throw new ImageException($"Invalid block size {blockBytes}");
        if (blocks > int.MaxValue / 4 || blocks > VpcGeometry.MaxDiskSectors * 512 / blockBytes) throw new ImageException("Too many blocks");
        if (blocks * (long)blockBytes < diskBytes) throw new ImageException("Page table too small");
        long table = BinaryPrimitives.ReadInt64BigEndian(bytes[16..]);
        if (table < VpcFooter.Bytes || table > long.MaxValue - (blocks * 4L)) throw new ImageException("Invalid table offset");
        return new VpcDynamicHeader
        {
            TableOffset = table,
            Blocks = (int)blocks,
            BlockBytes = (int)blockBytes,
            ParentId = new Guid(bytes.Slice(40, 16), bigEndian: true),
            ParentName = Encoding.BigEndianUnicode.GetString(bytes.Slice(NameOffset, NameBytes)).TrimEnd('\0'),
            ParentLocators = ParseLocators(bytes),
        };
    }

    /// <summary>Writes it.</summary>
    internal byte[] ToBytes()
    {
        byte[] bytes = new byte[Bytes];
        Cookie.CopyTo(bytes);
        BinaryPrimitives.WriteInt64BigEndian(bytes.AsSpan(8), -1);
        BinaryPrimitives.WriteInt64BigEndian(bytes.AsSpan(16), TableOffset);
        BinaryPrimitives.WriteUInt32BigEndian(bytes.AsSpan(24), 0x00010000);
        BinaryPrimitives.WriteInt32BigEndian(bytes.AsSpan(28), Blocks);
        BinaryPrimitives.WriteInt32BigEndian(bytes.AsSpan(32), BlockBytes);
        ParentId.TryWriteBytes(bytes.AsSpan(40), bigEndian: true, out _);
        Encoding.BigEndianUnicode.GetBytes(ParentName.AsSpan(0, Math.Min(ParentName.Length, NameBytes / 2)), bytes.AsSpan(NameOffset));
        for (int i = 0; i < ParentLocators.Length; i++)
        {
            Span<byte> locator = bytes.AsSpan(LocatorsOffset + (i * LocatorBytes), LocatorBytes);
            Encoding.Latin1.GetBytes(ParentLocators[i].Platform, locator);
            BinaryPrimitives.WriteInt32BigEndian(locator[4..], 512);
            BinaryPrimitives.WriteInt32BigEndian(locator[8..], ParentLocators[i].LengthBytes);
            BinaryPrimitives.WriteInt64BigEndian(locator[16..], ParentLocators[i].Offset);
        }
        VpcChecksum.Put(bytes, ChecksumOffset);
        return bytes;
    }

    private static ImmutableArray<VpcParentLocator> ParseLocators(ReadOnlySpan<byte> bytes)
    {
        ImmutableArray<VpcParentLocator>.Builder locators = ImmutableArray.CreateBuilder<VpcParentLocator>();
        for (int i = 0; i < Locators; i++)
        {
            ReadOnlySpan<byte> locator = bytes.Slice(LocatorsOffset + (i * LocatorBytes), LocatorBytes);
            uint length = BinaryPrimitives.ReadUInt32BigEndian(locator[8..]);
            long offset = BinaryPrimitives.ReadInt64BigEndian(locator[16..]);
            if (length is > 0 and <= MaxLocatorBytes && offset > 0 && offset < long.MaxValue - length)
                locators.Add(new VpcParentLocator(Encoding.Latin1.GetString(locator[..4]), offset, (int)length));
        }
        return locators.ToImmutable();
    }
}
