using System;

namespace Hutch.Devices.Chipset;

/// <summary>What a PC's firmware leaves in CMOS RAM (PC/AT technical reference; the sizes above 64 MiB as QEMU and SeaBIOS use them).</summary>
internal static class CmosContents
{
    private const ulong Kibibyte = 1024, SixtyFourKibibytes = 64 * Kibibyte, Mebibyte = 1024 * Kibibyte;

    /// <summary>Writes the memory sizes, the equipment byte and the checksum; everything else becomes zero.</summary>
    /// <param name="ram">128 bytes of CMOS.</param>
    /// <param name="lowBytes">RAM below 4 GiB.</param>
    /// <param name="highBytes">RAM from 4 GiB on.</param>
    public static void Fill(Span<byte> ram, ulong lowBytes, ulong highBytes)
    {
        ram.Clear();
        ram[0x14] = 0x02; // A floating-point unit; no display, keyboard or floppy drive.
        PutWord(ram, 0x15, Math.Min(lowBytes / Kibibyte, 640));
        ulong extended = Over(lowBytes, Mebibyte) / Kibibyte;
        PutWord(ram, 0x17, Math.Min(extended, ushort.MaxValue));
        PutWord(ram, 0x30, Math.Min(extended, ushort.MaxValue));
        PutWord(ram, 0x34, Math.Min(Over(lowBytes, 16 * Mebibyte) / SixtyFourKibibytes, ushort.MaxValue));
        ulong high = Math.Min(highBytes / SixtyFourKibibytes, 0xff_ffff);
        PutWord(ram, 0x5b, high & 0xffff);
        ram[0x5d] = (byte)(high >> 16);
        int sum = 0;
        for (int i = 0x10; i < 0x2e; i++) sum += ram[i];
        ram[0x2e] = (byte)(sum >> 8);
        ram[0x2f] = (byte)sum;
    }

    private static ulong Over(ulong bytes, ulong floor) => bytes > floor ? bytes - floor : 0;

    private static void PutWord(Span<byte> ram, int offset, ulong value)
    {
        ram[offset] = (byte)value;
        ram[offset + 1] = (byte)(value >> 8);
    }
}
