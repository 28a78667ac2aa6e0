using System;
using System.Numerics;

namespace Hutch.Devices.Firmware;

/// <summary>What a flash chip says of itself: the table of the common flash interface (JESD68.01 §2) and the identifier codes.</summary>
internal static class FlashQuery
{
    private const byte Manufacturer = 0x89, Device = 0x18;
    private const int LengthBytes = 0x31;

    /// <summary>An identifier code: manufacturer, device, and for every block that it is not locked.</summary>
    internal static byte Identifier(ulong offset) => (offset & 0xff) switch
    {
        0 => Manufacturer,
        1 => Device,
        _ => 0,
    };

    /// <summary>Builds the table for a chip with blocks of one size.</summary>
    internal static byte[] Build(ulong chipBytes, int blockBytes, int bufferBytes)
    {
        byte[] table = new byte[LengthBytes];
        "QRY"u8.CopyTo(table.AsSpan(0x10));
        table[0x13] = 0x01;                                     // primary command set: Intel, extended
        table[0x1b] = 0x45;                                     // supply voltages: 4.5 V to 5.5 V
        table[0x1c] = 0x55;
        table[0x1f] = table[0x20] = 0x07;                       // typical times: 128 us for a byte and a buffer, 1 s for a block
        table[0x21] = 0x0a;
        table[0x23] = table[0x24] = table[0x25] = 0x04;         // most: 16 times as long
        table[0x27] = (byte)BitOperations.Log2(BitOperations.RoundUpToPowerOf2(chipBytes));
        table[0x2a] = (byte)BitOperations.Log2((uint)bufferBytes);
        table[0x2c] = 1;                                        // one region of blocks
        int blocks = (int)(chipBytes / (ulong)blockBytes) - 1;
        table[0x2d] = (byte)blocks;
        table[0x2e] = (byte)(blocks >> 8);
        table[0x2f] = (byte)(blockBytes >> 8);                  // in units of 256 bytes
        table[0x30] = (byte)(blockBytes >> 16);
        return table;
    }
}
