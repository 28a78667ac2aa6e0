using System;
using System.Buffers.Binary;
using System.IO;
using System.Linq;
using System.Threading.Tasks;
using Hutch.Block.Formats;
using Hutch.Block.Formats.Vpc;
using Hutch.Block.Graph;
using Xunit;

namespace Hutch.Block.Tests.Formats.Vpc;

public sealed class VpcMalformedTests : IDisposable
{
    private readonly ImageFolder _images = new();

    // Offsets below 512 are the footer's, which stands at both ends; the others the dynamic header's.
    [Theory]
    [InlineData(0, "00", false, "invalid VPC image")]
    [InlineData(64, "00", false, "Incorrect header checksum")]
    [InlineData(16, "7fffffffffffffff", true, "Invalid header magic")]
    [InlineData(16, "ffffffffffffffff", true, "Invalid header magic")]
    [InlineData(48, "7fffffffffffffff", true, "File too large")]
    [InlineData(60, "00000007", true, "invalid VPC image")]
    [InlineData(512, "00", false, "Invalid header magic")]
    [InlineData(548, "00", false, "Incorrect header checksum")]
    [InlineData(528, "ffffffffffffffff", true, "Invalid table offset")]
    [InlineData(528, "0000000000000000", true, "Invalid table offset")]
    [InlineData(528, "0000000040000000", true, "Page table too small")]
    [InlineData(540, "ffffffff", true, "Too many blocks")]
    [InlineData(540, "00000001", true, "Page table too small")]
    [InlineData(544, "00000000", true, "Invalid block size 0")]
    [InlineData(544, "00180000", true, "Invalid block size 1572864")]
    [InlineData(544, "80000000", true, "Invalid block size 2147483648")]
    public async Task A_damaged_field_is_named(int offset, string bytes, bool rightSum, string message)
    {
        await _images.CreateAsync(VpcFormat.Instance, "disk", 8 << 20, ("force_size", "on"));
        byte[] image = await File.ReadAllBytesAsync(_images.Path("disk"));
        Convert.FromHexString(bytes).CopyTo(image, offset);
        if (offset < 512)
        {
            if (rightSum) VpcChecksum.Put(image.AsSpan(0, 512), 64);
            image.AsSpan(0, 512).CopyTo(image.AsSpan(image.Length - 512));
        }
        else if (rightSum)
        {
            VpcChecksum.Put(image.AsSpan(512, 1024), 36);
        }
        _images.Write("disk", image);
        ImageException refused = await Assert.ThrowsAsync<ImageException>(async () => await _images.OpenAsync(VpcFormat.Instance, "disk"));
        Assert.Equal(message, refused.Message);
    }

    [Fact]
    public async Task Blocks_outside_the_file_or_over_the_header_are_not_used()
    {
        await _images.CreateAsync(VpcFormat.Instance, "disk", 8 << 20, ("force_size", "on"));
        byte[] image = await File.ReadAllBytesAsync(_images.Path("disk"));
        BinaryPrimitives.WriteUInt32BigEndian(image.AsSpan(1536), 0x00ffffff);
        _images.Write("disk", image);
        ImageException refused = await Assert.ThrowsAsync<ImageException>(async () => await _images.OpenAsync(VpcFormat.Instance, "disk"));
        Assert.Equal("block-vpc: free_data_block_offset points after the end of file. The image has been truncated.", refused.Message);
        BinaryPrimitives.WriteUInt32BigEndian(image.AsSpan(1536), 0);
        _images.Write("disk", [.. image, .. new byte[4 << 20], .. image[^512..]]);
        await using ImageNode node = await _images.OpenAsync(VpcFormat.Instance, "disk");
        await Assert.ThrowsAsync<BlockIoException>(async () => await BlockNodeContract.Write(node, 0, new byte[512]));
    }

    [Fact]
    public async Task The_copy_of_the_footer_serves_where_the_last_is_lost()
    {
        await _images.CreateAsync(VpcFormat.Instance, "disk", 8 << 20, ("force_size", "on"));
        await using (ImageNode node = await _images.OpenAsync(VpcFormat.Instance, "disk")) await BlockNodeContract.Write(node, 0, Enumerable.Repeat((byte)5, 512).ToArray());
        byte[] image = await File.ReadAllBytesAsync(_images.Path("disk"));
        image.AsSpan(image.Length - 512).Clear();
        _images.Write("disk", image);
        await using ImageNode again = await _images.OpenAsync(VpcFormat.Instance, "disk");
        Assert.All(await BlockNodeContract.Read(again, 0, 512), static b => Assert.Equal(5, b));
    }

    [Fact]
    public async Task A_guest_cannot_turn_a_fixed_disk_into_another_kind()
    {
        await _images.CreateAsync(VpcFormat.Instance, "evil", 8 << 20);
        byte[] evil = [.. await File.ReadAllBytesAsync(_images.Path("evil")), .. new byte[4096]];
        evil = evil[..4096];
        await _images.CreateAsync(VpcFormat.Instance, "disk", 8 << 20, ("force_size", "on"), ("subformat", "fixed"));
        await using (ImageNode node = await _images.OpenAsync(VpcFormat.Instance, "disk")) await BlockNodeContract.Write(node, 0, evil);
        await using ImageNode again = await _images.OpenAsync(VpcFormat.Instance, "disk");
        Assert.IsType<VpcFixedNode>(again);
        Assert.Equal(evil, await BlockNodeContract.Read(again, 0, 4096));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(511)]
    [InlineData(512)]
    [InlineData(2000)]
    public async Task A_cut_off_image_is_refused(int length)
    {
        await _images.CreateAsync(VpcFormat.Instance, "disk", 4L << 30, ("force_size", "on"));
        _images.Write("disk", (await File.ReadAllBytesAsync(_images.Path("disk"))).AsSpan(0, length));
        await Assert.ThrowsAsync<ImageException>(async () => await _images.OpenAsync(VpcFormat.Instance, "disk"));
    }

    public void Dispose() => _images.Dispose();
}
