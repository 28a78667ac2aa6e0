using System;
using System.Buffers.Binary;
using System.Collections.Generic;
using System.Linq;
using System.Text;
using Hutch.Devices.Firmware;
using Xunit;

namespace Hutch.Tests.Devices.Firmware;

/// <summary>The entry point and structures (SMBIOS 3.6 §5.2.2, §6.1, §7).</summary>
public sealed class SmbiosTablesTests
{
    private static readonly SmbiosOptions Options = new()
    {
        Sockets = 2,
        CoresPerSocket = 4,
        ThreadsPerCore = 2,
        LowMemoryBytes = 0xB000_0000,
        HighMemoryBytes = 0x8_5000_0000,
        OemStrings = ["io.systemd.credential:a=b", "second"],
        Uuid = new Guid("00112233-4455-6677-8899-aabbccddeeff"),
    };

    // SMBIOS 3.6 §5.2.2.
    [Fact]
    public void Entry_point_is_aligned_and_its_checksum_holds()
    {
        SmbiosImage image = SmbiosTables.Build(Options);

        Assert.Equal("_SM3_", Encoding.ASCII.GetString(image.Image, 0, 5));
        Assert.Equal(0xF_0000ul, image.BaseAddress);
        Assert.Equal(0, image.Image.Take(24).Sum(b => b) & 0xff);
        Assert.Equal((uint)(image.Image.Length - 32), BinaryPrimitives.ReadUInt32LittleEndian(image.Image.AsSpan(12)));
        Assert.Equal(image.BaseAddress + 32, BinaryPrimitives.ReadUInt64LittleEndian(image.Image.AsSpan(16)));
    }

    // SMBIOS 3.6 §6.1: formatted area, strings, two zeros.
    [Fact]
    public void Structures_are_complete_and_end_with_127()
    {
        List<Structure> structures = Parse(SmbiosTables.Build(Options));

        Assert.Equal([0, 1, 3, 4, 4, 11, 16, 17, 17, 17, 19, 19, 32, 127], structures.Select(s => (int)s.Type));
        Assert.Equal(structures.Count, structures.Select(s => s.Handle).Distinct().Count());
    }

    // SMBIOS 3.6 §7, the table of each structure.
    [Theory]
    [InlineData(0, 0x1a)]
    [InlineData(1, 0x1b)]
    [InlineData(3, 0x16)]
    [InlineData(4, 0x32)]
    [InlineData(11, 0x05)]
    [InlineData(16, 0x17)]
    [InlineData(17, 0x28)]
    [InlineData(19, 0x1f)]
    [InlineData(32, 0x0b)]
    [InlineData(127, 0x04)]
    public void Formatted_areas_have_the_length_of_the_specification(byte type, int length)
    {
        Assert.All(Parse(SmbiosTables.Build(Options)).Where(s => s.Type == type), s => Assert.Equal(length, s.Formatted.Length));
    }

    // SMBIOS 3.6 §7.2.
    [Fact]
    public void System_is_named_and_has_its_id()
    {
        Structure system = Parse(SmbiosTables.Build(Options)).Single(s => s.Type == 1);

        Assert.Equal(["Hutch", "Hutch", "1.0"], system.Strings);
        Assert.Equal(Options.Uuid, new Guid(system.Formatted.AsSpan(8, 16)));
    }

    // SMBIOS 3.6 §7.12.
    [Fact]
    public void Oem_strings_are_counted_and_in_order()
    {
        Structure oem = Parse(SmbiosTables.Build(Options)).Single(s => s.Type == 11);

        Assert.Equal(2, oem.Formatted[4]);
        Assert.Equal(["io.systemd.credential:a=b", "second"], oem.Strings);
        Assert.DoesNotContain(Parse(SmbiosTables.Build(Options with { OemStrings = [] })), s => s.Type == 11);
    }

    // SMBIOS 3.6 §7.17, §7.18, §7.20.
    [Fact]
    public void Memory_adds_up_over_the_modules()
    {
        List<Structure> structures = Parse(SmbiosTables.Build(Options));
        ulong total = Options.LowMemoryBytes + Options.HighMemoryBytes;

        Assert.Equal(total, BinaryPrimitives.ReadUInt64LittleEndian(structures.Single(s => s.Type == 16).Formatted.AsSpan(15)));
        long mebibytes = structures.Where(s => s.Type == 17).Sum(s => (long)BinaryPrimitives.ReadUInt16LittleEndian(s.Formatted.AsSpan(12)));
        Assert.Equal((long)(total >> 20), mebibytes);
        Assert.Equal([0u, 0x40_0000u], structures.Where(s => s.Type == 19).Select(s => BinaryPrimitives.ReadUInt32LittleEndian(s.Formatted.AsSpan(4))));
    }

    private sealed record Structure(byte Type, ushort Handle, byte[] Formatted, string[] Strings);

    private static List<Structure> Parse(SmbiosImage image)
    {
        List<Structure> structures = [];
        byte[] bytes = image.Image;
        int at = 32;
        while (at < bytes.Length)
        {
            byte[] formatted = bytes[at..(at + bytes[at + 1])];
            int end = at + formatted.Length;
            while (bytes[end] != 0 || bytes[end + 1] != 0) end++;
            string text = Encoding.ASCII.GetString(bytes, at + formatted.Length, end - at - formatted.Length);
            structures.Add(new Structure(formatted[0], BinaryPrimitives.ReadUInt16LittleEndian(formatted.AsSpan(2)), formatted,
                text.Length == 0 ? [] : text.Split('\0')));
            at = end + 2;
        }
        Assert.Equal(bytes.Length, at);
        return structures;
    }
}
