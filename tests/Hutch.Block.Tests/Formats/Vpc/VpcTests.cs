using System;
using System.IO;
using System.Threading.Tasks;
using Hutch.Block.Formats;
using Hutch.Block.Formats.Vpc;
using Hutch.Block.Tests.Formats.Mapped;
using Xunit;

namespace Hutch.Block.Tests.Formats.Vpc;

public sealed class VpcDynamicTests : MappedImageContract
{
    private protected override ImageFormat Format => VpcFormat.Instance;

    private protected override (string Name, string Value)[] Options => [("force_size", "on")];

    private protected override bool HasCheck => false;
}

public sealed class VpcFixedTests : MappedImageContract
{
    private protected override ImageFormat Format => VpcFormat.Instance;

    private protected override (string Name, string Value)[] Options => [("force_size", "on"), ("subformat", "fixed")];

    private protected override bool HasCheck => false;
}

public sealed class VpcSizeTests : IDisposable
{
    private readonly ImageFolder _images = new();

    [QemuImgTheory]
    [InlineData("1M")]
    [InlineData("1536K")]
    [InlineData("40M")]
    [InlineData("700M")]
    [InlineData("7G")]
    [InlineData("100G")]
    [InlineData("127G")]
    [InlineData("200G")]
    [InlineData("2040G")]
    public async Task Lengths_are_rounded_as_qemu_img_rounds_them(string length)
    {
        QemuImg.Run("create", "-q", "-f", "vpc", _images.Path("theirs"), length);
        Assert.Equal(Hutch.Block.Options.SizeError.None, Hutch.Block.Options.SizeText.Parse(length, out ulong bytes));
        await _images.CreateAsync(VpcFormat.Instance, "ours", (long)bytes);
        await using ImageNode theirs = await _images.OpenAsync(VpcFormat.Instance, "theirs", readOnly: true);
        await using ImageNode ours = await _images.OpenAsync(VpcFormat.Instance, "ours", readOnly: true);
        Assert.Equal(theirs.LengthBytes, ours.LengthBytes);
        Assert.Equal(new FileInfo(_images.Path("theirs")).Length, new FileInfo(_images.Path("ours")).Length);
        Assert.Equal(2 << 20, ours.ClusterBytes);
    }

    [Fact]
    public async Task A_disk_that_is_too_long_is_refused() =>
        await Assert.ThrowsAsync<ImageException>(async () => await _images.CreateAsync(VpcFormat.Instance, "disk", (2040L << 30) + 512));

    [Fact]
    public async Task How_the_length_is_found_can_be_said()
    {
        await _images.CreateAsync(VpcFormat.Instance, "disk", 10_000_000);
        await using ImageNode one = await _images.OpenAsync(VpcFormat.Instance, "disk", readOnly: true, options: ("force_size_calc", "current_size"));
        await using ImageNode other = await _images.OpenAsync(VpcFormat.Instance, "disk", readOnly: true, options: ("force_size_calc", "chs"));
        Assert.Equal(one.LengthBytes, other.LengthBytes);
        await Assert.ThrowsAsync<ImageException>(async () => await _images.OpenAsync(VpcFormat.Instance, "disk", readOnly: true, options: ("force_size_calc", "x")));
    }

    public void Dispose() => _images.Dispose();
}
