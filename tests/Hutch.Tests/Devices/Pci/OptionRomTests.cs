using System;
using System.IO;
using System.Linq;
using Hutch.Devices;
using Hutch.Devices.Pci;
using Xunit;

namespace Hutch.Tests.Devices.Pci;

/// <summary>Images for ROM BARs (PCI Firmware 3.3 §5.2).</summary>
public sealed class OptionRomTests
{
    private static byte[] Image(int blocks, int structure)
    {
        byte[] image = new byte[blocks * 512];
        (image[0], image[1], image[2], image[0x18], image[0x19]) = (0x55, 0xaa, (byte)blocks, (byte)structure, (byte)(structure >> 8));
        if (structure + 4 <= image.Length) "PCIR"u8.CopyTo(image.AsSpan(structure));
        image[6] = (byte)-image.Sum(static value => value);
        return image;
    }

    private static byte[] Content(OptionRom rom)
    {
        byte[] content = new byte[(int)rom.LengthBytes];
        for (int at = 0; at < content.Length; at += 4) rom.Read((ulong)at, content.AsSpan(at, 4));
        return content;
    }

    [Fact]
    public void An_image_gets_the_identity_of_its_card_and_keeps_its_sum()
    {
        OptionRom rom = new(Image(blocks: 3, structure: 0x1c));
        rom.Fit(0x1af4, 0x1041);
        byte[] content = Content(rom);
        Assert.Equal(2048, content.Length);
        Assert.Equal([0xf4, 0x1a, 0x41, 0x10], content[0x20..0x24]);
        Assert.Equal(0, content[..1536].Sum(static value => value) & 0xff);
        Assert.All(content[1536..], static value => Assert.Equal(0xff, value));
    }

    [Theory]
    [InlineData(0x200)]
    [InlineData(0x1f0)]
    [InlineData(0xffff)]
    public void An_image_whose_structure_is_elsewhere_stays_as_it_is(int structure)
    {
        byte[] image = Image(blocks: 1, structure);
        OptionRom rom = new((byte[])image.Clone());
        rom.Fit(1, 2);
        Assert.Equal(image, Content(rom)[..512]);
    }

    [Theory]
    [InlineData(100, "bytes")]
    [InlineData(2 << 20, "bytes")]
    [InlineData(1024, "55 aa")]
    public void What_is_no_image_is_refused(int length, string said)
    {
        string path = Path.GetTempFileName();
        try
        {
            File.WriteAllBytes(path, new byte[length]);
            string message = Assert.Throws<ConfigException>(() => OptionRom.Load("nic0", path)).Message;
            Assert.Contains(said, message, StringComparison.Ordinal);
            Assert.Contains("nic0", message, StringComparison.Ordinal);
        }
        finally
        {
            File.Delete(path);
        }
    }

    [Fact]
    public void A_missing_image_is_said_with_its_device() =>
        Assert.Contains("'nic0'", Assert.Throws<ConfigException>(() => OptionRom.Load("nic0", "/nonexistent/rom")).Message, StringComparison.Ordinal);
}
