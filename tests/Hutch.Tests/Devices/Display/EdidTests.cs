using System;
using System.Buffers.Binary;
using System.Linq;
using System.Text;
using Hutch.Devices.Display;
using Xunit;

namespace Hutch.Tests.Devices.Display;

/// <summary>What a display says of itself (VESA E-EDID Standard, Release A Revision 2).</summary>
public sealed class EdidTests
{
    public static TheoryData<int, int> Sizes => new() { { 1280, 800 }, { 1024, 768 }, { 64, 64 }, { 1366, 768 }, { 1920, 1080 }, { 3840, 2160 }, { 4095, 4095 } };

    // §3.1, §3.3, §3.5, §3.11: length, header, version 1.4, no extension, a sum of 0.
    [Theory]
    [MemberData(nameof(Sizes))]
    public void The_block_is_sound(int width, int height)
    {
        byte[] block = Write(width, height);
        Assert.Equal([0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0], block[..8]);
        Assert.Equal([1, 4], block[18..20]);
        Assert.Equal(0, block[126]);
        Assert.Equal(0, block.Sum(static one => one) % 256);
    }

    // §3.4.1: three letters of five bits, the highest first.
    [Fact]
    public void The_manufacturer_is_three_letters()
    {
        int letters = BinaryPrimitives.ReadUInt16BigEndian(Write(1280, 800).AsSpan(8));
        Assert.Equal("HUT", string.Concat(((int[])[10, 5, 0]).Select(shift => (char)('@' + (letters >> shift & 0x1f)))));
    }

    // §3.6.4, §3.10.2: the first descriptor is the preferred timing, and its parts fit into each other.
    [Theory]
    [MemberData(nameof(Sizes))]
    public void The_preferred_mode_is_the_one_that_was_asked_for(int width, int height)
    {
        byte[] block = Write(width, height), timing = block[54..72];
        Assert.Equal(0x02, block[24] & 0x02);
        Assert.Equal((width, height), (timing[2] | timing[4] >> 4 << 8, timing[5] | timing[7] >> 4 << 8));
        int across = width + (timing[3] | (timing[4] & 15) << 8), down = height + (timing[6] | (timing[7] & 15) << 8);
        int lineFront = timing[8] | timing[11] >> 6 << 8, lineSync = timing[9] | (timing[11] >> 4 & 3) << 8, front = timing[10] >> 4 | (timing[11] >> 2 & 3) << 4, sync = timing[10] & 15 | (timing[11] & 3) << 4;
        Assert.True(lineSync > 0 && lineFront + lineSync < across - width, "The lines' synchronisation is within their blanking.");
        Assert.True(sync > 0 && front + sync < down - height, "The frame's synchronisation is within its blanking.");
        double rate = BinaryPrimitives.ReadUInt16LittleEndian(timing) * 10_000.0 / across / down;
        if (height < 4000) Assert.InRange(rate, 55, 60.01);
        Assert.Equal(0, timing[17] & 0x80);
    }

    // §3.9: width and aspect ratio of the standard timings, which are 1.4's.
    [Fact]
    public void Usual_modes_are_listed()
    {
        byte[] block = Write(1280, 800);
        (int, int)[] modes = [.. Enumerable.Range(0, 8).Select(i => Standard(block[38 + (2 * i)], block[39 + (2 * i)]))];
        Assert.Equal([(1280, 720), (1280, 800), (1280, 1024), (1440, 900), (1600, 900), (1680, 1050), (1920, 1080), (1920, 1200)], modes);
        // §3.8: 640x480, 800x600, 1024x768 at 60 Hz.
        Assert.Equal([0x21, 0x08, 0], block[35..38]);
    }

    // §3.10.3.4, §3.10.3.11: the product's name, and descriptors that say nothing.
    [Fact]
    public void It_has_a_name()
    {
        byte[] block = Write(1280, 800);
        Assert.Equal([0, 0, 0, 0xfc, 0], block[72..77]);
        Assert.Equal("Hutch Screen\n", Encoding.ASCII.GetString(block, 77, 13));
        foreach (int at in (int[])[90, 108]) Assert.Equal([0, 0, 0, 0x10, 0], block[at..(at + 5)]);
    }

    // §3.6.2: centimetres.
    [Fact]
    public void Its_size_is_that_of_96_pixels_to_the_inch()
    {
        byte[] block = Write(1920, 1080);
        Assert.Equal([50, 28], block[21..23]);
        Assert.Equal((508, 285), (block[66] | block[68] >> 4 << 8, block[67] | (block[68] & 15) << 8));
    }

    private static (int Width, int Height) Standard(byte first, byte second)
    {
        int width = (first + 31) * 8;
        Assert.Equal(0, second & 0x3f);
        return (width, (second >> 6) switch { 0 => width * 10 / 16, 1 => width * 3 / 4, 2 => width * 4 / 5, _ => width * 9 / 16 });
    }

    private static byte[] Write(int width, int height)
    {
        byte[] block = new byte[Edid.BlockBytes];
        Edid.Write(block, width, height);
        return block;
    }
}
