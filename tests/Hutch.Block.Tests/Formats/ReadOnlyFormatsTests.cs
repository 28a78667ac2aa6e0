using System;
using System.Buffers.Binary;
using System.IO;
using System.IO.Compression;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Formats;
using Hutch.Block.Graph;
using Hutch.Block.Tests.Formats.Mapped;
using Xunit;

namespace Hutch.Block.Tests.Formats;

/// <summary>Formats that are only read; their images are qemu-img's.</summary>
public sealed class ReadOnlyFormatsTests : IDisposable, IImageReferences
{
    private const int Length = (5 << 20) + 512;

    private readonly ImageFolder _images = new();

    [QemuImgTheory]
    [InlineData("parallels", "")]
    [InlineData("qed", "")]
    [InlineData("qed", "cluster_size=4k")]
    [InlineData("qcow", "")]
    public async Task What_qemu_img_made_is_read(string format, string options)
    {
        byte[] data = ImageFolder.Pattern(Length, 7);
        _images.Write("data.raw", data);
        string[] more = options.Length == 0 ? [] : ["-o", options];
        QemuImg.Run(["convert", "-f", "raw", "-O", format, .. more, _images.Path("data.raw"), _images.Path("disk")]);
        Assert.Equal(format, ImageFormats.Probe((await File.ReadAllBytesAsync(_images.Path("disk"))).AsSpan(0, ImageFormats.ProbeBytes), "disk").Name);
        await using ImageNode node = await _images.OpenAsync(ImageFormats.Find(format)!, "disk", readOnly: true);
        Assert.Equal(Length, node.LengthBytes);
        MappedImageContract.AssertSame(data, await BlockNodeContract.Read(node, 0, Length, cuts: 5));
        MappedImageContract.AssertSame(data[512..70144], await BlockNodeContract.Read(node, 512, 70144 - 512));
        await MappedImageContract.AssertExtents(node, data);
        Assert.True(node.Limits.IsReadOnly);
        await Assert.ThrowsAsync<BlockIoException>(async () => await BlockNodeContract.Write(node, 0, new byte[512]));
    }

    // qemu-img 7.2 writes no compressed qcow images any more, though it reads them: this one is made by hand.
    [Fact]
    public async Task A_compressed_cluster_of_qcow_is_read_and_a_damaged_one_is_an_error_of_the_storage()
    {
        byte[] cluster = ImageFolder.Pattern(4096, 3), image = new byte[12288];
        cluster.AsSpan(512, 2048).Clear();
        using MemoryStream stream = new();
        using (DeflateStream deflate = new(stream, CompressionLevel.Optimal, leaveOpen: true)) deflate.Write(cluster);
        Convert.FromHexString("514649fb00000001").CopyTo(image, 0);
        BinaryPrimitives.WriteInt64BigEndian(image.AsSpan(24), 16384);
        (image[32], image[33]) = (12, 9);
        BinaryPrimitives.WriteInt64BigEndian(image.AsSpan(40), 48);
        BinaryPrimitives.WriteInt64BigEndian(image.AsSpan(48), 4096);
        BinaryPrimitives.WriteUInt64BigEndian(image.AsSpan(4096 + 8), (1UL << 63) | ((ulong)stream.Length << 51) | 8300);
        stream.ToArray().CopyTo(image, 8300);
        _images.Write("disk", image);
        await using (ImageNode node = await _images.OpenAsync(ImageFormats.Find("qcow")!, "disk", readOnly: true))
        {
            byte[] expected = [.. new byte[4096], .. cluster, .. new byte[8192]];
            MappedImageContract.AssertSame(expected, await BlockNodeContract.Read(node, 0, 16384, cuts: 3));
            Assert.True((await node.GetExtentAsync(4096, 4096, default)).IsCompressed);
        }
        image.AsSpan(8300, 200).Fill(0xff);
        _images.Write("disk", image);
        await using ImageNode damaged = await _images.OpenAsync(ImageFormats.Find("qcow")!, "disk", readOnly: true);
        await Assert.ThrowsAsync<BlockIoException>(async () => await BlockNodeContract.Read(damaged, 4096, 512));
    }

    [QemuImgTheory]
    [InlineData("qed")]
    [InlineData("qcow")]
    public async Task Backing_images_show_through(string format)
    {
        byte[] data = ImageFolder.Pattern(Length, 7);
        _images.Write("data.raw", data);
        QemuImg.Run("create", "-q", "-f", format, "-b", _images.Path("data.raw"), "-F", "raw", _images.Path("disk"));
        await using ImageNode node = await _images.OpenAsync(ImageFormats.Find(format)!, "disk", readOnly: true, references: this);
        Assert.Equal(_images.Path("data.raw"), node.BackingReference!.Name);
        MappedImageContract.AssertSame(data, await BlockNodeContract.Read(node, 0, Length, cuts: 5));
    }

    [QemuImgTheory]
    [InlineData("parallels")]
    [InlineData("qed")]
    [InlineData("qcow")]
    public async Task Writing_is_refused_by_name(string format)
    {
        QemuImg.Run("create", "-q", "-f", format, _images.Path("disk"), "1M");
        ImageException refused = await Assert.ThrowsAsync<ImageException>(async () => await _images.OpenAsync(ImageFormats.Find(format)!, "disk"));
        Assert.Equal($"Images of format '{format}' can only be read", refused.Message);
    }

    public void Dispose() => _images.Dispose();

    async ValueTask<BlockNode?> IImageReferences.OpenAsync(ImageReference reference, BlockNode owner, bool readOnly, CancellationToken cancellation) =>
        await ImageFormats.Find("raw")!.OpenAsync(ImageFolder.OpenFile(reference.Name, readOnly), new ImageOpenOptions { ReadOnly = true }, cancellation);
}
