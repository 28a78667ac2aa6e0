using System.Threading.Tasks;
using Hutch.Block.Filters;
using Hutch.Block.Graph;
using Hutch.Block.Simulation;
using Xunit;

namespace Hutch.Block.Tests.Filters;

public sealed class FaultNodeTests : BlockNodeContract
{
    protected override BlockNode Create() => new FaultNode(new MemoryNode(LengthBytes, grows: false));

    [Fact]
    public async Task A_rule_fails_the_requests_that_it_names()
    {
        await using FaultNode node = new(new MemoryNode(LengthBytes));
        node.Add(new FaultRule { Operations = FaultOperations.Write, Offset = 4096, LengthBytes = 512, Skip = 1, Count = 2, Errno = BlockIoException.Enospc });
        await Write(node, 4000, new byte[200]);
        await Write(node, 0, new byte[4096]);
        await Write(node, 4608, new byte[512]);
        await Read(node, 4096, 512);
        for (int i = 0; i < 2; i++)
        {
            BlockIoException e = await Assert.ThrowsAsync<BlockIoException>(async () => await Write(node, 4607, new byte[2]));
            Assert.Equal(BlockIoException.Enospc, e.Errno);
        }
        await Write(node, 4607, new byte[2]);
    }

    [Fact]
    public async Task A_failure_may_be_told_after_the_effect()
    {
        await using FaultNode node = new(new MemoryNode(LengthBytes));
        node.Add(new FaultRule { Operations = FaultOperations.Write, AfterEffect = true });
        await Assert.ThrowsAsync<BlockIoException>(async () => await Write(node, 0, [7]));
        node.Clear();
        Assert.Equal([7], await Read(node, 0, 1));
    }

    [Fact]
    public async Task Requests_can_be_held()
    {
        await using FaultNode node = new(new MemoryNode(LengthBytes));
        TaskCompletionSource held = new();
        node.Add(new FaultRule { Operations = FaultOperations.Flush, Errno = 0, Before = () => new ValueTask(held.Task) });
        Task flush = node.FlushAsync(default).AsTask();
        Assert.False(flush.IsCompleted);
        held.SetResult();
        await flush;
    }
}
