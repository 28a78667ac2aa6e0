using System;
using System.Buffers.Binary;

namespace Hutch.Devices.Display;

/// <summary>
/// What a display says of itself to drivers: one block of an EDID (VESA E-EDID Standard, Release A Revision 2, structure 1.4). It prefers one mode and knows the usual ones; no video input,
/// serial number or week is made up.
/// </summary>
internal static class Edid
{
    /// <summary>Length of the block in bytes.</summary>
    internal const int BlockBytes = 128;

    /// <summary>The smallest side of a preferred mode in pixels; what is smaller is no mode to Linux.</summary>
    internal const int LeastSide = 64;

    /// <summary>The longest side of a preferred mode in pixels: sizes have 12 bits (§3.10.2).</summary>
    internal const int MostSide = 4095;

    private const int Manufacturer = 8, Product = 10, Year = 17, Version = 18, Input = 20, SizeInCentimetres = 21, Gamma = 23, Features = 24, Colours = 25, Established = 35, Standard = 38;
    private const int FirstDescriptor = 54, DescriptorBytes = 18, Checksum = BlockBytes - 1;
    private const byte NameTag = 0xfc, DummyTag = 0x10;

    // Pixels of 96 to the inch, so that guests do not scale what they show.
    private const int PixelsPerInch = 96;

    // Timings with reduced blanking (VESA CVT 1.1, §3.4): dots, lines, microseconds, Hz.
    private const int LineBlank = 160, LineFront = 48, LineSync = 32, FrameFront = 3, FrameSync = 6, FrameLeastBack = 6, BlankMicroseconds = 460, Refresh = 60;

    // §3.4.1: the three letters of the manufacturer, in five bits each.
    private const ushort ManufacturerLetters = ('H' - '@') << 10 | ('U' - '@') << 5 | ('T' - '@');

    private static ReadOnlySpan<byte> Header => [0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0];

    // The primaries and the white point of sRGB (§3.7), in the order of the bytes.
    private static ReadOnlySpan<byte> StandardColours => [0xee, 0x91, 0xa3, 0x54, 0x4c, 0x99, 0x26, 0x0f, 0x50, 0x54];

    // Width, and height, of the standard timings at 60 Hz (§3.9).
    private static ReadOnlySpan<ushort> StandardModes => [1280, 720, 1280, 800, 1280, 1024, 1440, 900, 1600, 900, 1680, 1050, 1920, 1080, 1920, 1200];

    /// <summary>Writes the block.</summary>
    /// <param name="block">Takes <see cref="BlockBytes"/>.</param>
    /// <param name="width">Of the preferred mode, from <see cref="LeastSide"/> to <see cref="MostSide"/> pixels.</param>
    /// <param name="height">Likewise.</param>
    internal static void Write(Span<byte> block, int width, int height)
    {
        block = block[..BlockBytes];
        block.Clear();
        Header.CopyTo(block);
        BinaryPrimitives.WriteUInt16BigEndian(block[Manufacturer..], ManufacturerLetters);
        block[Product] = 1;
        block[Year] = 2026 - 1990;
        (block[Version], block[Version + 1]) = (1, 4);
        // Digital, 8 bits of each colour, no defined interface (§3.6.1).
        block[Input] = 0xa0;
        (block[SizeInCentimetres], block[SizeInCentimetres + 1]) = ((byte)(Millimetres(width) / 10), (byte)(Millimetres(height) / 10));
        block[Gamma] = 220 - 100;
        // sRGB is its colour space, and the preferred timing is the native one (§3.6.4).
        block[Features] = 0x06;
        StandardColours.CopyTo(block[Colours..]);
        // 640x480, 800x600 and 1024x768 at 60 Hz (§3.8).
        (block[Established], block[Established + 1]) = (0x21, 0x08);
        for (int i = 0; i < StandardModes.Length; i += 2) WriteStandard(block[(Standard + i)..], StandardModes[i], StandardModes[i + 1]);
        WriteTiming(block.Slice(FirstDescriptor, DescriptorBytes), width, height);
        WriteName(block.Slice(FirstDescriptor + DescriptorBytes, DescriptorBytes));
        for (int descriptor = 2; descriptor < 4; descriptor++) block[FirstDescriptor + (descriptor * DescriptorBytes) + 3] = DummyTag;
        byte sum = 0;
        foreach (byte one in block) sum += one;
        block[Checksum] = (byte)-sum;
    }

    private static int Millimetres(int pixels) => pixels * 254 / (PixelsPerInch * 10);

    // §3.9: the width, and of the height how it relates to it.
    private static void WriteStandard(Span<byte> place, int width, int height)
    {
        int aspect = (width * 10 == height * 16) ? 0 : (width * 3 == height * 4) ? 1 : (width * 4 == height * 5) ? 2 : 3;
        place[0] = (byte)((width / 8) - 31);
        place[1] = (byte)(aspect << 6 | (Refresh - 60));
    }

    // The detailed timing of the preferred mode (§3.10.2).
    private static void WriteTiming(Span<byte> timing, int width, int height)
    {
        // Lines of blanking take at least 460 microseconds of a frame.
        int blank = Math.Max((BlankMicroseconds * height / ((1_000_000 / Refresh) - BlankMicroseconds)) + 1, FrameFront + FrameSync + FrameLeastBack);
        // Large pictures have fewer frames: the clock has 16 bits.
        long clock = Math.Min((long)(width + LineBlank) * (height + blank) * Refresh / 10_000, ushort.MaxValue);
        int across = Millimetres(width), down = Millimetres(height);
        BinaryPrimitives.WriteUInt16LittleEndian(timing, (ushort)clock);
        (timing[2], timing[3], timing[4]) = ((byte)width, LineBlank, (byte)(width >> 8 << 4 | LineBlank >> 8));
        (timing[5], timing[6], timing[7]) = ((byte)height, (byte)blank, (byte)(height >> 8 << 4 | blank >> 8));
        (timing[8], timing[9], timing[10], timing[11]) = (LineFront, LineSync, FrameFront << 4 | FrameSync, 0);
        (timing[12], timing[13], timing[14]) = ((byte)across, (byte)down, (byte)(across >> 8 << 4 | down >> 8));
        // Digital separate synchronisation, of which the lines' is positive.
        timing[17] = 0x1a;
    }

    // §3.10.3.4: padded with spaces behind a line feed.
    private static void WriteName(Span<byte> descriptor)
    {
        descriptor[3] = NameTag;
        Span<byte> name = descriptor[5..];
        name.Fill((byte)' ');
        "Hutch Screen\n"u8.CopyTo(name);
    }
}
