using System;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Filters;
using Hutch.Block.Graph;
using Hutch.Block.Simulation;
using Xunit;

namespace Hutch.Block.Tests.Filters;

public sealed class CopyOnReadNodeTests
{
    private const int Bytes = 64 * 1024;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_write_during_a_copy_is_not_covered_by_what_is_copied(bool zeroes)
    {
        GatedNode image = new(Filled(1));
        await using CopyOnReadNode node = new(image);
        byte[] found = new byte[512];
        ValueTask read = node.ReadBytesAsync(0, found, CancellationToken.None);
        await image.Fetched.Task;
        ValueTask write = zeroes ? node.WriteZeroesAsync(0, 4096, WriteFlags.None, CancellationToken.None) : node.WriteBytesAsync(0, Content(2), WriteFlags.None, CancellationToken.None);
        Assert.False(write.IsCompleted);
        image.Gate.SetResult();
        await read;
        await write;
        Assert.Equal(1, found[0]);
        await node.ReadBytesAsync(0, found, CancellationToken.None);
        Assert.Equal(zeroes ? 0 : 2, found[0]);
    }

    [Fact]
    public async Task A_write_elsewhere_does_not_wait_for_a_copy()
    {
        GatedNode image = new(Filled(1));
        await using CopyOnReadNode node = new(image);
        ValueTask read = node.ReadBytesAsync(0, new byte[512], CancellationToken.None);
        await image.Fetched.Task;
        await node.WriteBytesAsync(Bytes / 2, Content(2), WriteFlags.None, CancellationToken.None);
        image.Gate.SetResult();
        await read;
    }

    private static byte[] Content(byte value, int lengthBytes = 4096)
    {
        byte[] content = new byte[lengthBytes];
        Array.Fill(content, value);
        return content;
    }

    private static MemoryNode Filled(byte value)
    {
        MemoryNode node = new(0);
        node.Write(0, Content(value, Bytes));
        return node;
    }

    // An image that has nothing of its own until it is written, and whose reads wait for the gate.
    private sealed class GatedNode(BlockNode child) : FilterNode(child)
    {
        private bool _isWritten;

        internal TaskCompletionSource Fetched { get; } = new();

        internal TaskCompletionSource Gate { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public override async ValueTask ReadAsync(long offset, IoVector destination, CancellationToken cancellation)
        {
            await base.ReadAsync(offset, destination, cancellation);
            Fetched.TrySetResult();
            await Gate.Task;
        }

        public override ValueTask WriteAsync(long offset, IoVector source, WriteFlags flags, CancellationToken cancellation)
        {
            _isWritten |= offset == 0;
            return base.WriteAsync(offset, source, flags, cancellation);
        }

        public override ValueTask<BlockExtent> GetExtentAsync(long offset, long lengthBytes, CancellationToken cancellation) =>
            _isWritten ? base.GetExtentAsync(offset, lengthBytes, cancellation) : new(new BlockExtent(BlockExtentKind.Unallocated, lengthBytes));
    }
}
