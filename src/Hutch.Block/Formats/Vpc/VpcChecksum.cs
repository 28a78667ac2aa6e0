using System;
using System.Buffers.Binary;

namespace Hutch.Block.Formats.Vpc;

/// <summary>The checksum of a VHD's structures: the complement of the sum of all bytes but its own.</summary>
internal static class VpcChecksum
{
    /// <summary>The sum of <paramref name="bytes"/>, whose four bytes at <paramref name="offset"/> count as zeros.</summary>
    internal static uint Compute(ReadOnlySpan<byte> bytes, int offset)
    {
        uint sum = 0;
        for (int i = 0; i < bytes.Length; i++)
            if (i < offset || i >= offset + sizeof(uint)) sum += bytes[i];
        return ~sum;
    }

    /// <summary>Puts the sum where it belongs.</summary>
    internal static void Put(Span<byte> bytes, int offset) => BinaryPrimitives.WriteUInt32BigEndian(bytes[offset..], Compute(bytes, offset));

    /// <summary>Whether the sum that stands there is right.</summary>
    internal static bool IsRight(ReadOnlySpan<byte> bytes, int offset) => BinaryPrimitives.ReadUInt32BigEndian(bytes[offset..]) == Compute(bytes, offset);
}
