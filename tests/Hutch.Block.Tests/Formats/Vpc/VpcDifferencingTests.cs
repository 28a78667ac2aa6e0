using System;
using System.IO;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Formats;
using Hutch.Block.Formats.Vpc;
using Hutch.Block.Graph;
using Hutch.Block.Simulation;
using Hutch.Block.Tests.Formats.Mapped;
using Xunit;

namespace Hutch.Block.Tests.Formats.Vpc;

/// <summary>A differencing disk over a parent full of data behaves as any node that was zeroed.</summary>
public sealed class VpcDifferencingContractTests : BlockNodeContract, IDisposable
{
    private readonly VpcChain _chain = new();

    protected override BlockNode Create()
    {
        BlockNode node = _chain.CreateAsync(ImageFolder.Pattern(LengthBytes, 3)).GetAwaiter().GetResult();
        node.WriteZeroesAsync(0, LengthBytes, WriteFlags.None, default).AsTask().GetAwaiter().GetResult();
        return node;
    }

    public void Dispose() => _chain.Dispose();
}

public sealed class VpcDifferencingTests : IDisposable
{
    private const int Length = 9 << 20;

    private readonly VpcChain _chain = new();

    [Fact]
    public async Task Sectors_come_from_the_parent_until_they_are_written()
    {
        byte[] model = ImageFolder.Pattern(Length, 4);
        byte[] parent = [.. model];
        await using (ImageNode node = await _chain.CreateAsync(model))
        {
            Assert.Equal("parent.vhd", node.BackingReference!.Name);
            MappedImageContract.AssertSame(model, await BlockNodeContract.Read(node, 0, Length, cuts: 3));
            Assert.Equal(BlockExtentKind.Unallocated, (await node.GetExtentAsync(0, Length, default)).Kind);
            Random random = new(5);
            for (int i = 0; i < 200; i++)
            {
                byte[] data = new byte[random.Next(1, 40) * 512];
                random.NextBytes(data);
                int offset = random.Next(0, (Length - data.Length) / 512) * 512;
                await BlockNodeContract.Write(node, offset, data, flags: random.Next(20) == 0 ? WriteFlags.Durable : WriteFlags.None);
                data.CopyTo(model, offset);
                if (i % 50 == 0) await node.WriteZeroesAsync(offset, 512, WriteFlags.None, default);
                if (i % 50 == 0) model.AsSpan(offset, 512).Clear();
            }
            MappedImageContract.AssertSame(model, await BlockNodeContract.Read(node, 0, Length));
        }
        await using (ImageNode again = await _chain.OpenAsync()) MappedImageContract.AssertSame(model, await BlockNodeContract.Read(again, 0, Length));
        await using ImageNode below = await _chain.OpenParentAsync();
        MappedImageContract.AssertSame(parent, await BlockNodeContract.Read(below, 0, Length));
    }

    [Fact]
    public async Task Nothing_that_the_image_names_is_opened_without_leave()
    {
        await (await _chain.CreateAsync(ImageFolder.Pattern(Length, 4))).DisposeAsync();
        _chain.Follow = false;
        await using ImageNode node = await _chain.OpenAsync();
        Assert.Single(node.Children);
        Assert.Equal("parent.vhd", node.BackingReference!.Name);
    }

    [Fact]
    public async Task Another_parent_is_refused()
    {
        await (await _chain.CreateAsync(ImageFolder.Pattern(Length, 4))).DisposeAsync();
        await _chain.MakeParentAsync(ImageFolder.Pattern(Length, 4));
        ImageException refused = await Assert.ThrowsAsync<ImageException>(async () => await _chain.OpenAsync());
        Assert.Contains("not the disk that this image was made over", refused.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task What_was_flushed_survives_a_power_loss_at_any_moment(int seed)
    {
        const int length = 5 << 20;
        MemoryParent parent = new(VpcFormat.Instance, await MemoryParent.MakeAsync(VpcFormat.Instance, CrashCheck.Fill(length / 512, 7), ("force_size", "on")));
        Guid id;
        await using (ImageNode opened = await parent.OpenAsync()) id = ((VpcNode)opened).UniqueId;
        MemoryNode image = new(0);
        await VpcFormat.Instance.CreateDifferencingAsync(image, length, id, "parent.vhd", default);
        await CrashCheck.RunAsync(image, length, 7, async file => await VpcFormat.Instance.OpenAsync(file, new ImageOpenOptions { ReadOnly = false, References = parent }, default), seed);
    }

    [Fact]
    public async Task Requests_are_of_whole_sectors()
    {
        await using ImageNode node = await _chain.CreateAsync(ImageFolder.Pattern(Length, 4));
        Assert.Equal(512, node.Limits.RequestAlignmentBytes);
    }

    public void Dispose() => _chain.Dispose();
}

/// <summary>A parent and a disk over it.</summary>
internal sealed class VpcChain : IDisposable, IImageReferences
{
    private readonly ImageFolder _images = new();

    internal bool Follow { get; set; } = true;

    internal async Task<ImageNode> CreateAsync(byte[] content)
    {
        Guid id = await MakeParentAsync(content);
        _images.Write("child.vhd", []);
        await using (BlockNode file = ImageFolder.OpenFile(_images.Path("child.vhd"), readOnly: false))
            await VpcFormat.Instance.CreateDifferencingAsync(file, content.Length, id, "parent.vhd", default);
        return await OpenAsync();
    }

    internal async Task<Guid> MakeParentAsync(byte[] content)
    {
        await _images.CreateAsync(VpcFormat.Instance, "parent.vhd", content.Length, ("force_size", "on"));
        await using ImageNode parent = await _images.OpenAsync(VpcFormat.Instance, "parent.vhd");
        await BlockNodeContract.Write(parent, 0, content);
        return ((VpcNode)parent).UniqueId;
    }

    internal Task<ImageNode> OpenAsync() => _images.OpenAsync(VpcFormat.Instance, "child.vhd", references: Follow ? this : null);

    internal Task<ImageNode> OpenParentAsync() => _images.OpenAsync(VpcFormat.Instance, "parent.vhd", readOnly: true);

    async ValueTask<BlockNode?> IImageReferences.OpenAsync(ImageReference reference, BlockNode owner, bool readOnly, CancellationToken cancellation)
    {
        Assert.True(readOnly);
        return await VpcFormat.Instance.OpenAsync(ImageFolder.OpenFile(Path.Combine(Path.GetDirectoryName(owner.Filename)!, reference.Name), readOnly: true),
            new ImageOpenOptions { ReadOnly = true }, cancellation);
    }

    public void Dispose() => _images.Dispose();
}
