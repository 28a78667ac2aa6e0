using System;
using System.IO;
using System.Linq;
using System.Threading.Tasks;
using Hutch.Block.Formats;
using Hutch.Block.Graph;
using Hutch.Model.Machine;
using Xunit;

namespace Hutch.Block.Tests.Filters;

public sealed class ProbedRawNodeTests : BlockNodeContract, IDisposable
{
    // The magic number and version of a qcow2 image.
    private static readonly byte[] Magic = [0x51, 0x46, 0x49, 0xfb, 0, 0, 0, 3];

    private readonly string _path = Path.GetTempFileName();

    protected override BlockNode Create()
    {
        File.WriteAllBytes(_path, new byte[LengthBytes]);
        return DiskOpener.Open(new DiskConfig(_path));
    }

    [Fact]
    public async Task A_guest_cannot_make_it_an_image_of_another_format()
    {
        // Until there is another format, there is none to look like.
        if (ImageFormats.Find("qcow2") is null) return;
        await using BlockNode node = Create();
        byte[] head = [.. Magic, .. new byte[4088]];
        BlockIoException refused = await Assert.ThrowsAsync<BlockIoException>(async () => await Write(node, 0, head, cuts: 3));
        Assert.Contains("look like qcow2", refused.Message, StringComparison.Ordinal);
        Assert.All(await Read(node, 0, 4096), static b => Assert.Equal(0, b));

        await Write(node, 4096, head);
        await Write(node, 0, [.. Enumerable.Repeat((byte)5, 8192)]);
        Assert.All(await Read(node, 0, 8192), static b => Assert.Equal(5, b));
    }

    [Fact]
    public async Task A_format_that_is_named_is_not_looked_at()
    {
        File.WriteAllBytes(_path, new byte[LengthBytes]);
        await using BlockNode node = DiskOpener.Open(new DiskConfig(_path, "raw"));
        await Write(node, 0, [.. Magic, .. new byte[504]]);
        Assert.Equal(Magic, (await Read(node, 0, 512))[..8]);
    }

    public void Dispose() => File.Delete(_path);
}
