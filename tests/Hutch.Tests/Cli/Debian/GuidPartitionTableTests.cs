using System;
using System.Buffers.Binary;
using System.IO;
using System.Linq;
using System.Text;
using Hutch.Cli.Debian;
using Hutch.Host.Compression;
using Xunit;

namespace Hutch.Tests.Cli.Debian;

public sealed class GuidPartitionTableTests
{
    private const int Sectors = 8192;
    private static readonly Guid Disk = new("00112233-4455-6677-8899-aabbccddeeff"), Type = new("0FC63DAF-8483-4772-8E79-3D69D8477DE4");

    private static byte[] Written(params Partition[] partitions)
    {
        using MemoryStream disk = new(new byte[Sectors * 512]);
        GuidPartitionTable.Write(disk, Disk, partitions, [.. Enumerable.Repeat((byte)0xcc, 512)]);
        return disk.ToArray();
    }

    [Fact]
    public void The_sum_is_that_of_the_standard() => Assert.Equal(0xcbf4_3926u, Crc32.Of("123456789"u8));

    [Fact]
    public void The_first_sector_has_the_boot_program_and_one_partition_over_all()
    {
        byte[] disk = Written();
        Assert.All(disk[..440], value => Assert.Equal(0xcc, value));
        Assert.Equal([0, 0, 0, 0, 0, 0], disk[440..446]);
        Assert.Equal(0xee, disk[450]);
        Assert.Equal((1u, Sectors - 1u), (BinaryPrimitives.ReadUInt32LittleEndian(disk.AsSpan(454)), BinaryPrimitives.ReadUInt32LittleEndian(disk.AsSpan(458))));
        Assert.Equal([0x55, 0xaa], disk[510..512]);
    }

    [Theory]
    [InlineData(1, Sectors - 1, 2)]
    [InlineData(Sectors - 1, 1, Sectors - 33)]
    public void Both_headers_hold_and_name_each_other(int own, int other, int entries)
    {
        byte[] disk = Written(new Partition(Type, "root", 2048, 4096));
        byte[] header = disk[(own * 512)..(own * 512 + 92)];
        Assert.Equal("EFI PART", Encoding.ASCII.GetString(header, 0, 8));
        Assert.Equal((own, other, 34, Sectors - 34, entries), (Number(24), Number(32), Number(40), Number(48), Number(72)));
        Assert.Equal(Disk, new Guid(header.AsSpan(56, 16)));
        Assert.Equal(Crc32.Of(disk.AsSpan(entries * 512, 128 * 128)), BinaryPrimitives.ReadUInt32LittleEndian(header.AsSpan(88)));
        uint sum = BinaryPrimitives.ReadUInt32LittleEndian(header.AsSpan(16));
        header.AsSpan(16, 4).Clear();
        Assert.Equal(Crc32.Of(header), sum);

        long Number(int offset) => BinaryPrimitives.ReadInt64LittleEndian(header.AsSpan(offset));
    }

    [Fact]
    public void An_entry_says_what_where_and_how_it_is_called()
    {
        byte[] entry = Written(new Partition(Type, "first", 34, 1), new Partition(Type, "root", 2048, 4096))[(1024 + 128)..(1024 + 256)];
        Assert.Equal(Type, new Guid(entry.AsSpan(0, 16)));
        Assert.NotEqual(Guid.Empty, new Guid(entry.AsSpan(16, 16)));
        Assert.Equal((2048, 6143), (BinaryPrimitives.ReadInt64LittleEndian(entry.AsSpan(32)), BinaryPrimitives.ReadInt64LittleEndian(entry.AsSpan(40))));
        Assert.Equal("root", Encoding.Unicode.GetString(entry, 56, 72).TrimEnd('\0'));
    }
}
