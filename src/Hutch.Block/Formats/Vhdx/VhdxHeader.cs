using System;
using System.Buffers.Binary;

namespace Hutch.Block.Formats.Vhdx;

/// <summary>One of a VHDX file's two headers (MS-VHDX §2.2.2): little-endian, 4 KiB. The valid one with the higher number counts.</summary>
internal sealed record VhdxHeader
{
    /// <summary>Length in bytes.</summary>
    internal const int Bytes = 4096;

    /// <summary>Where the first lies.</summary>
    internal const int FirstOffset = 64 * 1024;

    /// <summary>Where the second lies.</summary>
    internal const int SecondOffset = 128 * 1024;

    private const int ChecksumOffset = 4;

    private static ReadOnlySpan<byte> Signature => "head"u8;

    /// <summary>Grows with each header written.</summary>
    internal required ulong Sequence { get; init; }

    /// <summary>Changes before a file's first change after it was opened.</summary>
    internal required Guid FileWriteId { get; init; }

    /// <summary>Changes before the disk's content changes; differencing disks know their parent by it.</summary>
    internal required Guid DataWriteId { get; init; }

    /// <summary>Marks the log's valid entries; empty where there are none.</summary>
    internal required Guid LogId { get; init; }

    /// <summary>Length of the log in bytes.</summary>
    internal required uint LogBytes { get; init; }

    /// <summary>Where the log lies.</summary>
    internal required ulong LogOffset { get; init; }

    /// <summary>Reads a header; null where it is none, torn, or of another version.</summary>
    internal static VhdxHeader? Parse(ReadOnlySpan<byte> bytes)
    {
        if (!bytes.StartsWith(Signature) || !VhdxChecksum.IsRight(bytes, ChecksumOffset)) return null;
        if (BinaryPrimitives.ReadUInt16LittleEndian(bytes[64..]) != 0 || BinaryPrimitives.ReadUInt16LittleEndian(bytes[66..]) != 1) return null;
        return new VhdxHeader
        {
            Sequence = BinaryPrimitives.ReadUInt64LittleEndian(bytes[8..]),
            FileWriteId = new Guid(bytes.Slice(16, 16)),
            DataWriteId = new Guid(bytes.Slice(32, 16)),
            LogId = new Guid(bytes.Slice(48, 16)),
            LogBytes = BinaryPrimitives.ReadUInt32LittleEndian(bytes[68..]),
            LogOffset = BinaryPrimitives.ReadUInt64LittleEndian(bytes[72..]),
        };
    }

    /// <summary>Writes it.</summary>
    internal byte[] ToBytes()
    {
        byte[] bytes = new byte[Bytes];
        Signature.CopyTo(bytes);
        BinaryPrimitives.WriteUInt64LittleEndian(bytes.AsSpan(8), Sequence);
        FileWriteId.TryWriteBytes(bytes.AsSpan(16));
        DataWriteId.TryWriteBytes(bytes.AsSpan(32));
        LogId.TryWriteBytes(bytes.AsSpan(48));
        BinaryPrimitives.WriteUInt16LittleEndian(bytes.AsSpan(66), 1);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(68), LogBytes);
        BinaryPrimitives.WriteUInt64LittleEndian(bytes.AsSpan(72), LogOffset);
        VhdxChecksum.Put(bytes, ChecksumOffset);
        return bytes;
    }
}
