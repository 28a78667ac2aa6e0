using System;
using System.IO;
using System.Threading.Tasks;
using Hutch.Block.Graph;
using Hutch.Model.Machine;
using Xunit;

namespace Hutch.Block.Tests;

public sealed class RawNodeTests : BlockNodeContract, IDisposable
{
    private readonly string _path = Path.GetTempFileName();

    protected override BlockNode Create()
    {
        File.WriteAllBytes(_path, new byte[LengthBytes]);
        return DiskOpener.Open(new DiskConfig(_path, "raw"));
    }

    [Fact]
    public async Task A_partial_last_sector_reads_as_zeros_and_can_be_written()
    {
        File.WriteAllBytes(_path, [1, 2, 3]);
        await using BlockNode node = DiskOpener.Open(new DiskConfig(_path, "raw"));
        Assert.Equal(512, node.LengthBytes);
        byte[] sector = await Read(node, 0, 512, cuts: 4);
        Assert.Equal([1, 2, 3, 0, 0], sector[..5]);
        Assert.Equal(0, sector[511]);
        await Write(node, 0, new byte[512], flags: WriteFlags.Durable);
        Assert.Equal(512, new FileInfo(_path).Length);
    }

    [Fact]
    public async Task A_read_only_node_refuses_to_write()
    {
        File.WriteAllBytes(_path, new byte[4096]);
        await using BlockNode node = DiskOpener.Open(new DiskConfig(_path, "raw", ReadOnly: true));
        Assert.True(node.Limits.IsReadOnly);
        await Assert.ThrowsAsync<BlockIoException>(async () => await Write(node, 0, new byte[512]));
        await Assert.ThrowsAsync<BlockIoException>(async () => await node.DiscardAsync(0, 512, default));
        await node.FlushAsync(default);
        Assert.Equal(512, (await Read(node, 0, 512)).Length);
    }

    [Fact]
    public async Task The_file_is_the_child()
    {
        await using BlockNode node = Create();
        Assert.Equal(BlockEdgeKind.Protocol, Assert.Single(node.Children).Kind);
    }

    public void Dispose() => File.Delete(_path);
}
