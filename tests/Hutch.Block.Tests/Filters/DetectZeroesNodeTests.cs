using System;
using System.IO;
using System.Linq;
using System.Threading.Tasks;
using Hutch.Block.Graph;
using Hutch.Model.Machine;
using Xunit;

namespace Hutch.Block.Tests.Filters;

public sealed class DetectZeroesNodeTests : BlockNodeContract, IDisposable
{
    private readonly string _path = Path.GetTempFileName();

    protected override BlockNode Create()
    {
        File.WriteAllBytes(_path, Enumerable.Repeat((byte)1, LengthBytes).ToArray());
        BlockNode node = DiskOpener.Open(new DiskConfig(_path, "raw") { DetectZeroes = DetectZeroes.Unmap });
        node.WriteZeroesAsync(0, LengthBytes, WriteFlags.MayUnmap, default).AsTask().Wait();
        return node;
    }

    [Fact]
    public async Task Zeros_that_come_as_data_give_their_space_back()
    {
        await using BlockNode node = Create();
        await Write(node, 0, Enumerable.Repeat((byte)7, 256 << 10).ToArray());
        await Write(node, 64 << 10, new byte[128 << 10], cuts: 3);
        Assert.All(await Read(node, 64 << 10, 128 << 10), static b => Assert.Equal(0, b));
        Assert.NotEqual(BlockExtentKind.Data, (await node.GetExtentAsync(64 << 10, 128 << 10, default)).Kind);
        Assert.Equal(BlockExtentKind.Data, (await node.GetExtentAsync(0, 64 << 10, default)).Kind);
        Assert.All(await Read(node, 192 << 10, 64 << 10), static b => Assert.Equal(7, b));
    }

    public void Dispose() => File.Delete(_path);
}
