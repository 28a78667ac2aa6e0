using System;
using System.Linq;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Graph;
using Hutch.Host.Files;
using Xunit;

namespace Hutch.Block.Tests;

/// <summary>What every writable node does, whatever it is. A subclass for each node type makes one of 1 MiB, zeroed.</summary>
public abstract class BlockNodeContract
{
    protected const int LengthBytes = 1 << 20;

    protected abstract BlockNode Create();

    [Fact]
    public async Task A_new_node_reads_as_zeros()
    {
        await using BlockNode node = Create();
        Assert.Equal(LengthBytes, node.LengthBytes);
        Assert.All(await Read(node, 0, 65536), static b => Assert.Equal(0, b));
        Assert.All(await Read(node, LengthBytes - 512, 512), static b => Assert.Equal(0, b));
    }

    [Fact]
    public async Task Reads_see_completed_writes_in_any_cut()
    {
        await using BlockNode node = Create();
        byte[] model = new byte[LengthBytes];
        Random random = new(11);
        for (int i = 0; i < 300; i++)
        {
            int offset = random.Next(0, (LengthBytes / 512) - 64) * 512, length = random.Next(1, 64) * 512;
            switch (random.Next(5))
            {
                case 0:
                    await node.WriteZeroesAsync(offset, length, random.Next(2) == 0 ? WriteFlags.MayUnmap : WriteFlags.None, CancellationToken.None);
                    model.AsSpan(offset, length).Clear();
                    break;
                case 1:
                    Assert.Equal(model[offset..(offset + length)], await Read(node, offset, length, cuts: random.Next(1, 9)));
                    break;
                default:
                    byte[] data = new byte[length];
                    random.NextBytes(data);
                    await Write(node, offset, data, cuts: random.Next(1, 9));
                    data.CopyTo(model, offset);
                    break;
            }
        }
        Assert.Equal(model, await Read(node, 0, LengthBytes, cuts: 3));
    }

    [Fact]
    public async Task A_range_outside_the_node_is_a_bug()
    {
        await using BlockNode node = Create();
        await Assert.ThrowsAsync<ArgumentOutOfRangeException>(async () => await Read(node, LengthBytes - 511, 512));
        await Assert.ThrowsAsync<ArgumentOutOfRangeException>(async () => await Read(node, -512, 512));
        await Assert.ThrowsAsync<ArgumentOutOfRangeException>(async () => await Write(node, long.MaxValue - 511, new byte[512]));
        await Assert.ThrowsAsync<ArgumentOutOfRangeException>(async () => await node.DiscardAsync(LengthBytes, 1, default));
        await Assert.ThrowsAsync<ArgumentOutOfRangeException>(async () => await node.WriteZeroesAsync(0, long.MaxValue, default, default));
    }

    [Fact]
    public async Task Extents_cover_the_node_and_call_no_data_zero()
    {
        await using BlockNode node = Create();
        await Write(node, 262144, Enumerable.Repeat((byte)7, 65536).ToArray());
        await node.FlushAsync(default);
        long at = 0;
        while (at < node.LengthBytes)
        {
            BlockExtent extent = await node.GetExtentAsync(at, node.LengthBytes - at, default);
            Assert.InRange(extent.LengthBytes, 1, node.LengthBytes - at);
            if (extent.Kind != BlockExtentKind.Data) Assert.False(at < 262144 + 65536 && at + extent.LengthBytes > 262144);
            at += extent.LengthBytes;
        }
        Assert.Equal(node.LengthBytes, at);
    }

    [Fact]
    public async Task Discards_and_flushes_complete_and_leave_the_rest()
    {
        await using BlockNode node = Create();
        await Write(node, 0, Enumerable.Repeat((byte)7, 65536).ToArray());
        await node.DiscardAsync(4096, 8192, default);
        await node.FlushAsync(default);
        Assert.All(await Read(node, 0, 4096), static b => Assert.Equal(7, b));
        Assert.All(await Read(node, 12288, 4096), static b => Assert.Equal(7, b));
    }

    [Fact]
    public async Task A_cancelled_request_is_not_begun()
    {
        await using BlockNode node = Create();
        CancellationToken cancelled = new(canceled: true);
        using NativeBuffer buffer = new(512);
        IoVector vector = new(new[] { buffer.Segment(0, 512) });
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await node.ReadAsync(0, vector, cancelled));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await node.WriteAsync(0, vector, WriteFlags.Durable, cancelled));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await node.FlushAsync(cancelled));
    }

    internal static async Task<byte[]> Read(BlockNode node, long offset, int length, int cuts = 1)
    {
        using NativeBuffer buffer = new(Math.Max(1, length));
        buffer.Span.Fill(0xee);
        await node.ReadAsync(offset, Cut(buffer, length, cuts), CancellationToken.None);
        return buffer.Span[..length].ToArray();
    }

    internal static async Task Write(BlockNode node, long offset, byte[] data, int cuts = 1, WriteFlags flags = WriteFlags.None)
    {
        using NativeBuffer buffer = new(data.Length);
        data.CopyTo(buffer.Span);
        await node.WriteAsync(offset, Cut(buffer, data.Length, cuts), flags, CancellationToken.None);
    }

    private static IoVector Cut(NativeBuffer buffer, int length, int cuts)
    {
        IoSegment[] segments = new IoSegment[cuts];
        int part = length / cuts;
        for (int i = 0; i < cuts; i++) segments[i] = buffer.Segment(i * part, i == cuts - 1 ? length - (i * part) : part);
        return new IoVector(segments);
    }
}
