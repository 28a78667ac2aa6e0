using System.Linq;
using System.Threading.Tasks;
using Hutch.Block.Graph;
using Hutch.Block.Simulation;
using Xunit;

namespace Hutch.Block.Tests.Simulation;

public sealed class MemoryNodeTests : BlockNodeContract
{
    protected override BlockNode Create() => new MemoryNode(LengthBytes, grows: false);

    [Fact]
    public async Task It_grows_as_a_file_does()
    {
        await using MemoryNode node = new(0);
        Assert.Equal(new byte[100], await Read(node, 5000, 100));
        await Write(node, 5000, [1, 2, 3]);
        Assert.Equal(5003, node.LengthBytes);
        await node.WriteZeroesAsync(9000, 1000, WriteFlags.None, default);
        Assert.Equal(10000, node.LengthBytes);
        await node.ResizeAsync(5001, Preallocation.Off, default);
        await node.ResizeAsync(6000, Preallocation.Off, default);
        Assert.Equal([1, 0, 0], await Read(node, 5000, 3));
    }

    [Fact]
    public async Task Copies_do_not_see_each_other()
    {
        await using MemoryNode first = new(LengthBytes);
        await Write(first, 0, Enumerable.Repeat((byte)1, 10000).ToArray());
        await using MemoryNode second = first.Copy();
        await Write(first, 4000, [2]);
        await Write(second, 4000, [3]);
        await second.WriteZeroesAsync(0, 4, WriteFlags.None, default);
        Assert.Equal([1, 2, 1], await Read(first, 3999, 3));
        Assert.Equal([1, 3, 1], await Read(second, 3999, 3));
        Assert.Equal([1], await Read(first, 0, 1));
    }

    [Fact]
    public async Task A_hole_of_an_exbibyte_is_found_at_once()
    {
        await using MemoryNode node = new(1L << 60);
        await Write(node, 1L << 59, new byte[1]);
        BlockExtent hole = await node.GetExtentAsync(0, 1L << 60, default);
        Assert.Equal((BlockExtentKind.Zero, 1L << 59), (hole.Kind, hole.LengthBytes));
        await node.WriteZeroesAsync(0, 1L << 60, WriteFlags.None, default);
        Assert.Equal(1L << 60, (await node.GetExtentAsync(0, 1L << 60, default)).LengthBytes);
    }
}
