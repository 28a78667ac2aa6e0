using System;
using System.Buffers.Binary;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Threading.Tasks;
using Hutch.Block.Formats;
using Hutch.Block.Formats.Vdi;
using Hutch.Block.Graph;
using Hutch.Block.Tests.Formats.Mapped;
using Xunit;

namespace Hutch.Block.Tests.Formats.Vdi;

public sealed class VdiDynamicTests : MappedImageContract
{
    private protected override ImageFormat Format => VdiFormat.Instance;

    private protected override (string Name, string Value)[] Options => [];
}

public sealed class VdiStaticTests : MappedImageContract
{
    private protected override ImageFormat Format => VdiFormat.Instance;

    private protected override (string Name, string Value)[] Options => [("static", "on")];
}

public sealed class VdiMalformedTests : IDisposable
{
    private readonly ImageFolder _images = new();

    [Theory]
    [InlineData(0x40, "00000000", "Image not in VDI format (bad signature 00000000)")]
    [InlineData(0x44, "02000100", "unsupported VDI image (version 1.2)")]
    [InlineData(0x154, "01020000", "unsupported VDI image (unaligned block map offset 0x201)")]
    [InlineData(0x154, "00000000", "unsupported VDI image (header, block map and data overlap)")]
    [InlineData(0x154, "00feffff", "unsupported VDI image (header, block map and data overlap)")]
    [InlineData(0x158, "01100000", "unsupported VDI image (unaligned data offset 0x1001)")]
    [InlineData(0x158, "00020000", "unsupported VDI image (header, block map and data overlap)")]
    [InlineData(0x168, "00100000", "unsupported VDI image (sector size 4096 is not 512)")]
    [InlineData(0x170, "ffffffffffffffff", "Unsupported VDI image size (size is 0xffffffffffffffff, max supported is 0x1fffff8000000)")]
    [InlineData(0x170, "0000200000000000", "unsupported VDI image (disk size 2097152, image bitmap has room for 1048576)")]
    [InlineData(0x178, "00002000", "unsupported VDI image (block size 2097152 is not 1048576)")]
    [InlineData(0x180, "ffffffff", "unsupported VDI image (too many blocks 4294967295, max is 536870784)")]
    [InlineData(0x180, "00ffff0f", "unsupported VDI image (header, block map and data overlap)")]
    [InlineData(0x1a8, "01", "unsupported VDI image (non-NULL link UUID)")]
    [InlineData(0x1b8, "01", "unsupported VDI image (non-NULL parent UUID)")]
    public async Task A_damaged_field_is_named(int offset, string bytes, string message)
    {
        await _images.CreateAsync(VdiFormat.Instance, "disk", 1 << 20);
        byte[] image = await File.ReadAllBytesAsync(_images.Path("disk"));
        Convert.FromHexString(bytes).CopyTo(image, offset);
        _images.Write("disk", image);
        ImageException refused = await Assert.ThrowsAsync<ImageException>(async () => await _images.OpenAsync(VdiFormat.Instance, "disk"));
        Assert.Equal(message, refused.Message);
    }

    [Fact]
    public async Task A_map_that_the_file_does_not_have_is_refused()
    {
        await _images.CreateAsync(VdiFormat.Instance, "disk", 200L << 30);
        _images.Write("short", (await File.ReadAllBytesAsync(_images.Path("disk"))).AsSpan(0, 8192));
        await Assert.ThrowsAsync<ImageException>(async () => await _images.OpenAsync(VdiFormat.Instance, "short"));
        _images.Write("shorter", new byte[100]);
        await Assert.ThrowsAsync<ImageException>(async () => await _images.OpenAsync(VdiFormat.Instance, "shorter"));
    }

    [Fact]
    public async Task A_block_outside_the_image_is_an_error_of_the_storage_and_found_by_a_check()
    {
        await MakeTwoBlocks();
        Patch(0x200, 7);
        await using ImageNode node = await _images.OpenAsync(VdiFormat.Instance, "disk");
        await Assert.ThrowsAsync<BlockIoException>(async () => await BlockNodeContract.Read(node, 0, 512));
        await Assert.ThrowsAsync<BlockIoException>(async () => await node.GetExtentAsync(0, 512, default));
        (ImageCheckResult result, List<string> lines) = await Check(node);
        Assert.Equal(["ERROR: block index 0 out of range, is 7", "ERROR: allocated blocks mismatch, is 1, should be 2"], lines);
        Assert.Equal(2, result.Corruptions);
    }

    [Fact]
    public async Task A_place_that_is_used_twice_is_found_by_a_check()
    {
        await MakeTwoBlocks();
        Patch(0x200, 1);
        await using ImageNode node = await _images.OpenAsync(VdiFormat.Instance, "disk");
        (ImageCheckResult result, List<string> lines) = await Check(node);
        Assert.Equal(["ERROR: block index 1 also used by 1"], lines);
        Assert.Equal(1, result.Corruptions);
    }

    [Fact]
    public async Task A_count_that_is_behind_gives_no_place_away_twice()
    {
        await MakeTwoBlocks();
        Patch(VdiHeader.AllocatedOffset, 0);
        await using (ImageNode node = await _images.OpenAsync(VdiFormat.Instance, "disk"))
            await BlockNodeContract.Write(node, 2 << 20, Enumerable.Repeat((byte)3, 512).ToArray());
        await using ImageNode again = await _images.OpenAsync(VdiFormat.Instance, "disk");
        for (int i = 0; i < 3; i++) Assert.Equal(i + 1, (await BlockNodeContract.Read(again, (long)i << 20, 512))[5]);
    }

    [Fact]
    public async Task A_discarded_block_reads_as_zeros_and_can_be_written()
    {
        await MakeTwoBlocks();
        Patch(0x200 + 8, 0xfffffffe);
        await using ImageNode node = await _images.OpenAsync(VdiFormat.Instance, "disk");
        Assert.Equal(BlockExtentKind.Zero, (await node.GetExtentAsync(2 << 20, 512, default)).Kind);
        await BlockNodeContract.Write(node, (2 << 20) + 512, Enumerable.Repeat((byte)9, 512).ToArray());
        byte[] sectors = await BlockNodeContract.Read(node, 2 << 20, 1536);
        Assert.Equal((0, 9, 0), (sectors[1], sectors[513], sectors[1025]));
    }

    public void Dispose() => _images.Dispose();

    private static async Task<(ImageCheckResult Result, List<string> Lines)> Check(ImageNode node)
    {
        List<string> lines = [];
        return (await ((IImageCheck)node).CheckAsync(ImageRepair.None, lines.Add, default), lines);
    }

    private async Task MakeTwoBlocks()
    {
        await _images.CreateAsync(VdiFormat.Instance, "disk", 4 << 20);
        await using ImageNode node = await _images.OpenAsync(VdiFormat.Instance, "disk");
        await BlockNodeContract.Write(node, 0, Enumerable.Repeat((byte)1, 512).ToArray());
        await BlockNodeContract.Write(node, 1 << 20, Enumerable.Repeat((byte)2, 512).ToArray());
    }

    private void Patch(int offset, uint value)
    {
        byte[] image = File.ReadAllBytes(_images.Path("disk"));
        BinaryPrimitives.WriteUInt32LittleEndian(image.AsSpan(offset), value);
        _images.Write("disk", image);
    }
}
