using System;

namespace Hutch.Host.Compression;

/// <summary>CRC-32 with the polynomial 0x04C11DB7, reflected (ISO 3309), as GPT and PNG have it. For little data: it goes bit by bit.</summary>
public static class Crc32
{
    /// <summary>The sum of bytes.</summary>
    public static uint Of(ReadOnlySpan<byte> bytes) => Append(0, bytes);

    /// <summary>The sum of all that <paramref name="sum"/> is of, and these bytes behind it.</summary>
    public static uint Append(uint sum, ReadOnlySpan<byte> bytes)
    {
        sum = ~sum;
        foreach (byte value in bytes)
        {
            sum ^= value;
            for (int bit = 0; bit < 8; bit++) sum = (sum >> 1) ^ (0xedb8_8320 & (0 - (sum & 1)));
        }
        return ~sum;
    }
}
