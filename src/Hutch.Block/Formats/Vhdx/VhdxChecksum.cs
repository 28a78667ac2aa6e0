using System;
using System.Buffers.Binary;
using System.Numerics;

namespace Hutch.Block.Formats.Vhdx;

/// <summary>CRC-32C of a structure whose own checksum, four bytes at a given place, counts as zeros (MS-VHDX §2.2).</summary>
internal static class VhdxChecksum
{
    /// <summary>The checksum.</summary>
    internal static uint Compute(ReadOnlySpan<byte> bytes, int offset)
    {
        uint crc = Update(uint.MaxValue, bytes[..offset]);
        crc = BitOperations.Crc32C(crc, 0u);
        return ~Update(crc, bytes[(offset + sizeof(uint))..]);
    }

    /// <summary>Puts the checksum where it belongs.</summary>
    internal static void Put(Span<byte> bytes, int offset) => BinaryPrimitives.WriteUInt32LittleEndian(bytes[offset..], Compute(bytes, offset));

    /// <summary>Whether the checksum that stands there is right.</summary>
    internal static bool IsRight(ReadOnlySpan<byte> bytes, int offset) => BinaryPrimitives.ReadUInt32LittleEndian(bytes[offset..]) == Compute(bytes, offset);

    private static uint Update(uint crc, ReadOnlySpan<byte> bytes)
    {
        for (; bytes.Length >= sizeof(ulong); bytes = bytes[sizeof(ulong)..]) crc = BitOperations.Crc32C(crc, BinaryPrimitives.ReadUInt64LittleEndian(bytes));
        foreach (byte value in bytes) crc = BitOperations.Crc32C(crc, value);
        return crc;
    }
}
