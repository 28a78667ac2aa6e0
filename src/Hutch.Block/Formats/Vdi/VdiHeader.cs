using System;
using System.Buffers.Binary;
using System.Text;

namespace Hutch.Block.Formats.Vdi;

/// <summary>The header of a VirtualBox disk image, version 1.1: little-endian, 512 bytes.</summary>
internal sealed record VdiHeader
{
    /// <summary>Length in bytes.</summary>
    internal const int Bytes = 512;

    /// <summary>Length of a block in bytes: the only one in use.</summary>
    internal const int BlockBytes = 1 << 20;

    /// <summary>The largest number of blocks: their map has less than 2 GiB.</summary>
    internal const uint MaxBlocks = (uint)((0x80000000L - 512) / 4);

    /// <summary>The longest disk.</summary>
    internal const long MaxDiskBytes = MaxBlocks * (long)BlockBytes;

    private const uint Signature = 0xbeda107f, Version = 0x00010001, HeaderBytes = 0x180;
    private const int SignatureOffset = 0x40;

    /// <summary>The disk's length in bytes, as it stands there.</summary>
    internal required long DiskBytes { get; init; }

    /// <summary>Blocks have their places from the beginning.</summary>
    internal bool IsStatic { get; init; }

    /// <summary>Where the block map lies.</summary>
    internal required uint MapOffset { get; init; }

    /// <summary>Where the blocks begin.</summary>
    internal required uint DataOffset { get; init; }

    /// <summary>Blocks of the disk.</summary>
    internal required uint Blocks { get; init; }

    /// <summary>Blocks with a place.</summary>
    internal required uint AllocatedBlocks { get; init; }

    /// <summary>Whether a file that begins so is one.</summary>
    internal static bool Recognise(ReadOnlySpan<byte> head) =>
        head.Length >= SignatureOffset + 4 && BinaryPrimitives.ReadUInt32LittleEndian(head[SignatureOffset..]) == Signature;

    /// <summary>Reads and checks a header. Throws <see cref="ImageException"/>.</summary>
    internal static VdiHeader Parse(ReadOnlySpan<byte> bytes)
    {
        ulong disk = BinaryPrimitives.ReadUInt64LittleEndian(bytes[0x170..]);
        if (disk > MaxDiskBytes) throw TooLarge(disk);
        uint signature = Word(bytes, SignatureOffset), version = Word(bytes, 0x44);
        if (signature != Signature) throw new ImageException($"Image not in VDI format (bad signature {signature:x8})");
        if (version != Version) throw Unsupported($"version {version >> 16}.{version & 0xffff}");
        uint map = Word(bytes, 0x154), data = Word(bytes, 0x158), sector = Word(bytes, 0x168), block = Word(bytes, 0x178), blocks = Word(bytes, 0x180);
        if (map % 512 != 0) throw Unsupported($"unaligned block map offset 0x{map:x}");
        if (data % 512 != 0) throw Unsupported($"unaligned data offset 0x{data:x}");
        if (sector != 512) throw Unsupported($"sector size {sector} is not 512");
        if (block != BlockBytes) throw Unsupported($"block size {block} is not {BlockBytes}");
        ulong rounded = (disk + 511) / 512 * 512;
        if (rounded > blocks * (ulong)BlockBytes) throw Unsupported($"disk size {rounded}, image bitmap has room for {blocks * (ulong)BlockBytes}");
        if (bytes.Slice(0x1a8, 16).ContainsAnyExcept((byte)0)) throw Unsupported("non-NULL link UUID");
        if (bytes.Slice(0x1b8, 16).ContainsAnyExcept((byte)0)) throw Unsupported("non-NULL parent UUID");
        if (blocks > MaxBlocks) throw Unsupported($"too many blocks {blocks}, max is {MaxBlocks}");
        if (map < Bytes || data < map + (blocks * 4L)) throw Unsupported("header, block map and data overlap");
        return new VdiHeader
        {
            DiskBytes = (long)rounded,
            IsStatic = Word(bytes, 0x4c) == 2,
            MapOffset = map,
            DataOffset = data,
            Blocks = blocks,
            AllocatedBlocks = Word(bytes, 0x184),
        };
    }

    /// <summary>Writes a new header with its UUIDs.</summary>
    internal byte[] ToBytes()
    {
        byte[] bytes = new byte[Bytes];
        Encoding.ASCII.GetBytes("<<< Hutch Virtual Disk Image >>>\n", bytes);
        Put(bytes, SignatureOffset, Signature);
        Put(bytes, 0x44, Version);
        Put(bytes, 0x48, HeaderBytes);
        Put(bytes, 0x4c, IsStatic ? 2u : 1);
        Put(bytes, 0x154, MapOffset);
        Put(bytes, 0x158, DataOffset);
        Put(bytes, 0x168, 512);
        BinaryPrimitives.WriteInt64LittleEndian(bytes.AsSpan(0x170), DiskBytes);
        Put(bytes, 0x178, BlockBytes);
        Put(bytes, 0x180, Blocks);
        Put(bytes, AllocatedOffset, AllocatedBlocks);
        Guid.NewGuid().TryWriteBytes(bytes.AsSpan(0x188));
        Guid.NewGuid().TryWriteBytes(bytes.AsSpan(0x198));
        return bytes;
    }

    /// <summary>Where the header has <see cref="AllocatedBlocks"/>.</summary>
    internal const int AllocatedOffset = 0x184;

    /// <summary>A disk of this length does not fit the format.</summary>
    internal static ImageException TooLarge(ulong diskBytes) => new($"Unsupported VDI image size (size is 0x{diskBytes:x}, max supported is 0x{MaxDiskBytes:x})");

    private static ImageException Unsupported(string what) => new($"unsupported VDI image ({what})");

    private static uint Word(ReadOnlySpan<byte> bytes, int offset) => BinaryPrimitives.ReadUInt32LittleEndian(bytes[offset..]);

    private static void Put(Span<byte> bytes, int offset, uint value) => BinaryPrimitives.WriteUInt32LittleEndian(bytes[offset..], value);
}
