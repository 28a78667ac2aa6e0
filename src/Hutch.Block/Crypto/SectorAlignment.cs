using System;

namespace Hutch.Block.Crypto;

/// <summary>What all sector ciphers ask of a range.</summary>
internal static class SectorAlignment
{
    /// <summary>Throws for a range that is not made of whole sectors.</summary>
    internal static void Check(long offsetBytes, int lengthBytes, int sectorBytes)
    {
        if (offsetBytes < 0 || offsetBytes % sectorBytes != 0 || lengthBytes % sectorBytes != 0)
            throw new ArgumentOutOfRangeException(nameof(offsetBytes), $"{lengthBytes} bytes at {offsetBytes} are not whole sectors of {sectorBytes} bytes.");
    }
}
