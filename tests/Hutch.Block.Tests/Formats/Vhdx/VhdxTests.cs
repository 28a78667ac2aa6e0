using System;
using System.Buffers.Binary;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Threading.Tasks;
using Hutch.Block.Formats;
using Hutch.Block.Formats.Vhdx;
using Hutch.Block.Graph;
using Hutch.Block.Tests.Formats.Mapped;
using Xunit;

namespace Hutch.Block.Tests.Formats.Vhdx;

public sealed class VhdxDynamicTests : MappedImageContract
{
    private protected override ImageFormat Format => VhdxFormat.Instance;

    private protected override (string Name, string Value)[] Options => [("block_size", "1M")];
}

public sealed class VhdxFixedTests : MappedImageContract
{
    private protected override ImageFormat Format => VhdxFormat.Instance;

    private protected override (string Name, string Value)[] Options => [("subformat", "fixed"), ("block_size", "2M"), ("block_state_zero", "off")];
}

public sealed class VhdxCreationTests : IDisposable
{
    private readonly ImageFolder _images = new();

    [QemuImgTheory]
    [InlineData(1 << 20)]
    [InlineData((1L << 30) + 512)]
    [InlineData((100L << 30) + (1 << 20))]
    [InlineData(33L << 40)]
    public async Task Blocks_are_as_long_as_qemu_img_makes_them(long length)
    {
        QemuImg.Run("create", "-q", "-f", "vhdx", _images.Path("theirs"), $"{length}");
        await _images.CreateAsync(VhdxFormat.Instance, "ours", length);
        await using ImageNode theirs = await _images.OpenAsync(VhdxFormat.Instance, "theirs", readOnly: true), ours = await _images.OpenAsync(VhdxFormat.Instance, "ours", readOnly: true);
        Assert.Equal(theirs.ClusterBytes, ours.ClusterBytes);
        Assert.Equal(theirs.LengthBytes, ours.LengthBytes);
        Assert.Equal(length, ours.LengthBytes);
        QemuImg.Run("check", "-f", "vhdx", _images.Path("ours"));
        BlockExtent extent = await ours.GetExtentAsync(0, length, default);
        Assert.Equal(BlockExtentKind.Zero, extent.Kind);
    }

    [Theory]
    [InlineData("log_size", "1000000", "Log size must be a multiple of 1 MB")]
    [InlineData("log_size", "4G", "Log size must be smaller than 4 GB")]
    [InlineData("block_size", "1500000", "Block size must be a multiple of 1 MB")]
    [InlineData("block_size", "3M", "Block size must be a power of two")]
    [InlineData("block_size", "512M", "Block size must not exceed 268435456")]
    [InlineData("subformat", "thick", "Invalid parameter 'thick'")]
    public async Task A_bad_option_is_named(string name, string value, string message)
    {
        ImageException refused = await Assert.ThrowsAsync<ImageException>(async () => await _images.CreateAsync(VhdxFormat.Instance, "disk", 1 << 20, (name, value)));
        Assert.Equal(message, refused.Message);
    }

    [Fact]
    public async Task A_disk_that_is_too_long_is_refused() =>
        await Assert.ThrowsAsync<ImageException>(async () => await _images.CreateAsync(VhdxFormat.Instance, "disk", (64L << 40) + 512));

    [Fact]
    public async Task The_disks_identity_changes_before_its_content()
    {
        await _images.CreateAsync(VhdxFormat.Instance, "disk", 1 << 20);
        await using ImageNode node = await _images.OpenAsync(VhdxFormat.Instance, "disk");
        Guid before = ((VhdxNode)node).DataWriteId;
        _ = await BlockNodeContract.Read(node, 0, 512);
        Assert.Equal(before, ((VhdxNode)node).DataWriteId);
        await BlockNodeContract.Write(node, 0, new byte[512]);
        Assert.NotEqual(before, ((VhdxNode)node).DataWriteId);
    }

    public void Dispose() => _images.Dispose();
}

public sealed class VhdxMalformedTests : IDisposable
{
    // Where our images have what is changed here: headers, region table and its entries, metadata table and its items, block table.
    private const int Regions = 192 * 1024, Metadata = 2 << 20, Items = Metadata + 65536, Table = 3 << 20;

    private readonly ImageFolder _images = new();

    [Theory]
    [InlineData(0, "00", "Image not in VHDX format")]
    [InlineData(65536, "00", null)]
    [InlineData(131072, "00", null)]
    [InlineData(65536 + 66, "02", null)]
    [InlineData(Regions, "00", null)]
    [InlineData(Regions + 8, "00000000", "VHDX region table has no block table or no metadata", true)]
    [InlineData(Regions + 8, "00080000", "VHDX region table has too many entries", true)]
    [InlineData(Regions + 16, "00", "VHDX region", true)]
    [InlineData(Regions + 32, "0000000000000000", "VHDX region of 1048576 bytes at 0 cannot be in a file of 4194304 bytes", true)]
    [InlineData(Regions + 32, "ffffffffffffffff", "VHDX region of 1048576 bytes at 18446744073709551615 cannot be in a file of 4194304 bytes", true)]
    [InlineData(Regions + 32, "0000200000000000", "VHDX region 2097152-3145728 overlaps with region 2097152-3145728.", true)]
    [InlineData(Regions + 40, "00000000", "VHDX region of 0 bytes at 3145728 cannot be in a file of 4194304 bytes", true)]
    [InlineData(Regions + 40, "0000f0ff", "VHDX region of 4293918720 bytes at 3145728 cannot be in a file of 4194304 bytes", true)]
    [InlineData(Metadata, "00", "VHDX metadata table is damaged")]
    [InlineData(Metadata + 10, "ffff", "VHDX metadata table has too many entries")]
    [InlineData(Metadata + 32, "00", "VHDX metadata item")]
    [InlineData(Metadata + 48, "00000000", "VHDX metadata item")]
    [InlineData(Metadata + 48, "ffffffff", "VHDX metadata item")]
    [InlineData(Metadata + 52, "00000000", "VHDX metadata item")]
    [InlineData(Metadata + 52, "ffffff7f", "VHDX metadata item")]
    [InlineData(Metadata + 52, "04000000", "VHDX metadata has no item caa16737-fa36-4d43-b3b6-33f0aa44e76b")]
    [InlineData(Items, "00000800", "VHDX block size 524288 is not a power of two from 1 MiB to 256 MiB")]
    [InlineData(Items, "00001800", "VHDX block size 1572864 is not a power of two from 1 MiB to 256 MiB")]
    [InlineData(Items + 4, "02", "VHDX metadata has no item a8d35f2d-b30b-454d-abf7-d3d84834ab0c")]
    [InlineData(Items + 8, "ffffffffffffffff", "VHDX disk size 18446744073709551615 is not a number of sectors up to 64 TiB")]
    [InlineData(Items + 8, "0100000000000000", "VHDX disk size 1 is not a number of sectors up to 64 TiB")]
    [InlineData(Items + 8, "0000000000400000", "VHDX block table has room for 131072 of")]
    [InlineData(Items + 32, "00000000", "VHDX sector sizes 0 and 512 are not 512 or 4096")]
    [InlineData(Items + 36, "00000000", "VHDX sector sizes 512 and 0 are not 512 or 4096")]
    public async Task A_damaged_field_is_named_or_the_copy_serves(int offset, string bytes, string? message, bool inRegionTable = false)
    {
        byte[] image = await MakeAsync();
        Convert.FromHexString(bytes).CopyTo(image, offset);
        if (inRegionTable)
        {
            VhdxChecksum.Put(image.AsSpan(Regions, 65536), 4);
            image.AsSpan(Regions, 65536).CopyTo(image.AsSpan(256 * 1024));
        }
        _images.Write("disk", image);
        if (message is null)
        {
            await using ImageNode node = await _images.OpenAsync(VhdxFormat.Instance, "disk");
            return;
        }
        ImageException refused = await Assert.ThrowsAsync<ImageException>(async () => await _images.OpenAsync(VhdxFormat.Instance, "disk"));
        Assert.StartsWith(message, refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Without_a_valid_header_there_is_no_image()
    {
        byte[] image = await MakeAsync();
        image[65536] = image[131072] = 0;
        _images.Write("disk", image);
        ImageException refused = await Assert.ThrowsAsync<ImageException>(async () => await _images.OpenAsync(VhdxFormat.Instance, "disk"));
        Assert.Equal("No valid VHDX header found", refused.Message);
    }

    [Theory]
    [InlineData(0x0000000000000006UL, "overlaps with a region")]
    [InlineData(0x0000000000200006UL, "overlaps with a region")]
    [InlineData(0x0000000010000006UL, "points after end of file")]
    [InlineData(0xfffffffffff00006UL, "offset overflow")]
    [InlineData(0x0000000000400007UL, "without a parent")]
    [InlineData(0x0000000000400004UL, "unknown state 4")]
    public async Task A_block_that_cannot_be_is_an_error_of_the_storage(ulong entry, string message)
    {
        byte[] image = [.. await MakeAsync(), .. new byte[8 << 20]];
        BinaryPrimitives.WriteUInt64LittleEndian(image.AsSpan(Table), entry);
        _images.Write("disk", image);
        await using ImageNode node = await _images.OpenAsync(VhdxFormat.Instance, "disk");
        BlockIoException failed = await Assert.ThrowsAsync<BlockIoException>(async () => await BlockNodeContract.Read(node, 0, 512));
        Assert.Contains(message, failed.Message, StringComparison.Ordinal);
        await Assert.ThrowsAsync<BlockIoException>(async () => await BlockNodeContract.Write(node, 0, new byte[512]));
        if ((entry & 7) is 4 or 7) return;
        List<string> lines = [];
        Assert.Equal(1, (await ((IImageCheck)node).CheckAsync(ImageRepair.None, lines.Add, default)).Corruptions);
        Assert.Contains(message, Assert.Single(lines), StringComparison.Ordinal);
    }

    public void Dispose() => _images.Dispose();

    private async Task<byte[]> MakeAsync()
    {
        await _images.CreateAsync(VhdxFormat.Instance, "disk", 16 << 20);
        return await File.ReadAllBytesAsync(_images.Path("disk"));
    }
}

public sealed class VhdxLogTests : IDisposable
{
    private const int LogOffset = 1 << 20, Table = 3 << 20;
    private static readonly Guid LogId = new("11112222-3333-4444-5555-666677778888");

    private readonly ImageFolder _images = new();

    [Fact]
    public async Task A_log_is_applied_before_anything_is_read()
    {
        await MakeAsync(Entry(5, 0, 0, (Table, BlockTable(2))));
        await using (ImageNode node = await _images.OpenAsync(VhdxFormat.Instance, "disk"))
        {
            Assert.All(await BlockNodeContract.Read(node, 0, 4096), static b => Assert.Equal(9, b));
            Assert.Equal(1, (await ((IImageCheck)node).CheckAsync(ImageRepair.Errors, static _ => { }, default)).CorruptionsFixed);
        }
        await using ImageNode again = await _images.OpenAsync(VhdxFormat.Instance, "disk", readOnly: true);
        Assert.All(await BlockNodeContract.Read(again, 0, 4096), static b => Assert.Equal(9, b));
    }

    [QemuImgFact]
    public async Task Qemu_img_applies_the_same_log_to_the_same_content()
    {
        await MakeAsync(Entry(5, 0, 0, (Table, BlockTable(2))));
        File.Copy(_images.Path("disk"), _images.Path("theirs"));
        QemuImg.Run("check", "-r", "all", "-f", "vhdx", _images.Path("theirs"));
        await (await _images.OpenAsync(VhdxFormat.Instance, "disk")).DisposeAsync();
        QemuImg.Run("compare", "-f", "vhdx", "-F", "vhdx", _images.Path("theirs"), _images.Path("disk"));
    }

    [Fact]
    public async Task A_log_is_not_applied_where_nothing_may_be_written()
    {
        string path = await MakeAsync(Entry(5, 0, 0, (Table, BlockTable(2))));
        ImageException refused = await Assert.ThrowsAsync<ImageException>(async () => await _images.OpenAsync(VhdxFormat.Instance, "disk", readOnly: true));
        Assert.Equal($"VHDX image file '{path}' opened read-only, but contains a log that needs to be replayed", refused.Message);
    }

    [Fact]
    public async Task The_newest_complete_sequence_counts_from_its_tail_on()
    {
        // An older sequence, and one of two entries behind it that gives block 0 its place first, then takes it away.
        byte[] old = Entry(2, 0, 0, (Table, BlockTable(0)));
        byte[] first = Entry(7, 8192, 8192, (Table, BlockTable(2))), second = Entry(8, 16384, 8192, (Table, BlockTable(0)));
        await MakeAsync([.. old, .. first, .. second]);
        await using (ImageNode node = await _images.OpenAsync(VhdxFormat.Instance, "disk")) Assert.All(await BlockNodeContract.Read(node, 0, 4096), static b => Assert.Equal(0, b));
        // A second entry that is torn leaves a sequence that ends with the first.
        second[5000] ^= 1;
        await MakeAsync([.. old, .. first, .. second]);
        await using ImageNode other = await _images.OpenAsync(VhdxFormat.Instance, "disk");
        Assert.All(await BlockNodeContract.Read(other, 0, 4096), static b => Assert.Equal(9, b));
    }

    [Theory]
    [InlineData("nothing")]
    [InlineData("another id")]
    [InlineData("checksum")]
    [InlineData("tail")]
    [InlineData("cut off")]
    [InlineData("outside")]
    [InlineData("too long")]
    public async Task A_damaged_log_refuses_the_image(string how)
    {
        byte[] entry = Entry(5, 0, how == "tail" ? 8192 : 0, (how == "outside" ? 1L << 30 : Table, BlockTable(2)), flushed: how == "cut off" ? 1UL << 40 : 4 << 20,
            last: how == "too long" ? 1UL << 50 : 16 << 20, id: how == "another id" ? Guid.NewGuid() : null);
        if (how == "nothing") entry.AsSpan().Clear();
        if (how == "checksum") entry[6000] ^= 1;
        await MakeAsync(entry);
        await Assert.ThrowsAsync<ImageException>(async () => await _images.OpenAsync(VhdxFormat.Instance, "disk"));
    }

    public void Dispose() => _images.Dispose();

    // An image whose only block lies at 4 MiB, if the table of the log says so, and is full of nines.
    private async Task<string> MakeAsync(byte[] log)
    {
        await _images.CreateAsync(VhdxFormat.Instance, "disk", 8 << 20, ("block_size", "8M"));
        byte[] image = [.. await File.ReadAllBytesAsync(_images.Path("disk")), .. Enumerable.Repeat((byte)9, 8 << 20)];
        log.CopyTo(image, LogOffset);
        VhdxHeader header = VhdxHeader.Parse(image.AsSpan(131072, 4096))!;
        (header with { Sequence = 9, LogId = LogId }).ToBytes().CopyTo(image, 65536);
        return _images.Write("disk", image);
    }

    private static byte[] BlockTable(int state)
    {
        byte[] page = new byte[4096];
        BinaryPrimitives.WriteUInt64LittleEndian(page, state == 0 ? 0 : (4 << 20) | 6UL);
        return page;
    }

    private static byte[] Entry(ulong sequence, int offset, int tail, (long Offset, byte[] Page) data, ulong flushed = 4 << 20, ulong last = 12 << 20, Guid? id = null)
    {
        Assert.Equal(0, offset % 4096);
        byte[] bytes = new byte[8192];
        "loge"u8.CopyTo(bytes);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(8), 8192);
        BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(12), tail);
        BinaryPrimitives.WriteUInt64LittleEndian(bytes.AsSpan(16), sequence);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(24), 1);
        (id ?? LogId).TryWriteBytes(bytes.AsSpan(32));
        BinaryPrimitives.WriteUInt64LittleEndian(bytes.AsSpan(48), flushed);
        BinaryPrimitives.WriteUInt64LittleEndian(bytes.AsSpan(56), last);
        "desc"u8.CopyTo(bytes.AsSpan(64));
        data.Page.AsSpan(4092, 4).CopyTo(bytes.AsSpan(68));
        data.Page.AsSpan(0, 8).CopyTo(bytes.AsSpan(72));
        BinaryPrimitives.WriteInt64LittleEndian(bytes.AsSpan(80), data.Offset);
        BinaryPrimitives.WriteUInt64LittleEndian(bytes.AsSpan(88), sequence);
        data.Page.CopyTo(bytes, 4096);
        "data"u8.CopyTo(bytes.AsSpan(4096));
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(4100), (uint)(sequence >> 32));
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(8188), (uint)sequence);
        VhdxChecksum.Put(bytes, 4);
        return bytes;
    }
}

public sealed class VhdxDifferencingTests
{
    private const int Length = 6 << 20;

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task Sectors_come_from_the_parent_until_they_are_written(int seed)
    {
        byte[] model = ImageFolder.Pattern(Length, 4);
        (MemoryParent parent, Hutch.Block.Simulation.MemoryNode image) = await MakeAsync(model);
        Random random = new(seed);
        Hutch.Block.Simulation.MemoryNode now = image;
        await using (ImageNode node = await OpenAsync(now, parent))
        {
            Assert.Equal("parent.vhdx", node.BackingReference!.Name);
            MappedImageContract.AssertSame(model, await BlockNodeContract.Read(node, 0, Length, cuts: 3));
            Assert.Equal(BlockExtentKind.Unallocated, (await node.GetExtentAsync(0, Length, default)).Kind);
            for (int i = 0; i < 120; i++)
            {
                int length = random.Next(1, random.Next(5) == 0 ? 5000 : 40) * 512, offset = random.Next(0, (Length - length) / 512) * 512;
                byte[] data = new byte[length];
                if (random.Next(4) == 0)
                {
                    await node.WriteZeroesAsync(offset, length, WriteFlags.None, default);
                }
                else
                {
                    random.NextBytes(data);
                    await BlockNodeContract.Write(node, offset, data);
                }
                data.CopyTo(model, offset);
                if (i % 30 == 0) MappedImageContract.AssertSame(model, await BlockNodeContract.Read(node, 0, Length));
            }
            MappedImageContract.AssertSame(model, await BlockNodeContract.Read(node, 0, Length));
            await node.FlushAsync(default);
            now = now.Copy();
        }
        await using ImageNode again = await OpenAsync(now, parent);
        MappedImageContract.AssertSame(model, await BlockNodeContract.Read(again, 0, Length));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task What_was_flushed_survives_a_power_loss_at_any_moment(int seed)
    {
        (MemoryParent parent, Hutch.Block.Simulation.MemoryNode image) = await MakeAsync(CrashCheck.Fill(Length / 512, 7));
        await CrashCheck.RunAsync(image, Length, 7, async file => await OpenAsync(file, parent), seed);
    }

    [Fact]
    public async Task A_parent_that_was_changed_is_refused_and_none_is_opened_without_leave()
    {
        (_, Hutch.Block.Simulation.MemoryNode image) = await MakeAsync(ImageFolder.Pattern(Length, 4));
        MemoryParent other = new(VhdxFormat.Instance, await MemoryParent.MakeAsync(VhdxFormat.Instance, new byte[Length]));
        ImageException refused = await Assert.ThrowsAsync<ImageException>(async () => await OpenAsync(image.Copy(), other));
        Assert.Contains("not the disk that this image was made over", refused.Message, StringComparison.Ordinal);
        await using ImageNode node = await OpenAsync(image, null);
        Assert.Single(node.Children);
    }

    private static async Task<(MemoryParent Parent, Hutch.Block.Simulation.MemoryNode Image)> MakeAsync(byte[] content)
    {
        MemoryParent parent = new(VhdxFormat.Instance, await MemoryParent.MakeAsync(VhdxFormat.Instance, content, ("block_size", "1M")));
        Guid id;
        await using (ImageNode opened = await parent.OpenAsync()) id = ((VhdxNode)opened).DataWriteId;
        Hutch.Block.Simulation.MemoryNode image = new(0);
        await VhdxFormat.Instance.CreateDifferencingAsync(image, content.Length, id, "parent.vhdx", 2 << 20, default);
        return (parent, image);
    }

    private static async Task<ImageNode> OpenAsync(BlockNode file, IImageReferences? references) =>
        await VhdxFormat.Instance.OpenAsync(file, new ImageOpenOptions { ReadOnly = false, References = references }, default);
}
