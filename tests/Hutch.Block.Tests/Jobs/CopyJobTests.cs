using System;
using System.Collections.Generic;
using System.Collections.Immutable;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Formats;
using Hutch.Block.Graph;
using Hutch.Block.Jobs;
using Hutch.Block.Simulation;
using Xunit;

namespace Hutch.Block.Tests.Jobs;

public sealed class CopyJobTests
{
    private const int LengthBytes = 8 << 20;

    [Theory]
    [InlineData(1, true, 4096)]
    [InlineData(4, true, 4096)]
    [InlineData(4, false, 4096)]
    [InlineData(2, true, 0)]
    [InlineData(2, true, 65536)]
    public async Task A_copy_has_the_content_of_its_source(int workers, bool inOrder, int sparseBytes)
    {
        byte[] content = Content(7);
        await using ListedNode source = new(content), target = new(new byte[LengthBytes]);
        Run([source], target, new CopyOptions { Workers = workers, InOrder = inOrder, SparseBytes = sparseBytes, TargetIsZero = true });
        Assert.Equal(content, target.Content);
    }

    [Fact]
    public async Task Writes_come_in_the_disks_order_however_many_threads_there_are()
    {
        await using ListedNode source = new(Content(8)), target = new(new byte[LengthBytes]);
        Run([source], target, new CopyOptions { Workers = 6, TargetIsZero = true });
        long last = -1;
        foreach ((long offset, long length, _) in target.Writes)
        {
            Assert.True(offset > last);
            last = offset + length - 1;
        }
    }

    [Fact]
    public async Task Zeros_are_not_written_as_data_and_old_content_is_cleared()
    {
        byte[] content = new byte[LengthBytes];
        content.AsSpan(1 << 20, 4096).Fill(5);
        await using ListedNode source = new(content), target = new(Content(9));
        Run([source], target, new CopyOptions { TargetIsZero = false });
        Assert.Equal(content, target.Content);
        (long offset, long length, bool isData) = Assert.Single(target.Writes, static write => write.IsData);
        Assert.Equal((1 << 20, 4096L, true), (offset, length, isData));
    }

    [Fact]
    public async Task Sources_are_copied_one_behind_the_other()
    {
        byte[] content = Content(10);
        await using ListedNode first = new(content[..(3 << 20)]), second = new(content[(3 << 20)..]), target = new(new byte[LengthBytes]);
        Run([first, second], target, new CopyOptions { Workers = 3, TargetIsZero = true });
        Assert.Equal(content, target.Content);
    }

    [Fact]
    public async Task A_failing_request_ends_the_copy_and_is_told()
    {
        await using ListedNode source = new(Content(11)) { FailsAt = 5 << 20 }, target = new(new byte[LengthBytes]);
        CopyException e = Assert.Throws<CopyException>(() => Run([source], target, new CopyOptions { Workers = 4, TargetIsZero = true }));
        Assert.Contains("error while reading at byte", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Salvage_loses_only_the_sectors_that_cannot_be_read()
    {
        byte[] content = Content(12);
        List<string> warnings = [];
        await using ListedNode source = new(content) { FailsAt = (5 << 20) + 512 }, target = new(new byte[LengthBytes]);
        Run([source], target, new CopyOptions { Salvage = true, TargetIsZero = true, Warn = warnings.Add });
        content.AsSpan((5 << 20) + 512, 512).Clear();
        Assert.Equal(content, target.Content);
        Assert.Equal($"error while reading offset {(5 << 20) + 512}: Input/output error", Assert.Single(warnings));
    }

    [Fact]
    public async Task A_rate_is_kept_to()
    {
        SimulatedTime time = new() { PassesByItself = true };
        byte[] content = new byte[LengthBytes];
        content.AsSpan().Fill(1);
        await using ListedNode source = new(content), target = new(new byte[LengthBytes]);
        Run([source], target, new CopyOptions { Workers = 2, BytesPerSecond = 1 << 20, Time = time, TargetIsZero = true });
        Assert.Equal(content, target.Content);
        // The first second's worth, nearly, and the last need not be waited for.
        Assert.InRange(time.Now.TotalSeconds, (LengthBytes >> 20) - 2, (LengthBytes >> 20) + 1);
    }

    [Fact]
    public async Task Progress_without_a_count_before_is_the_place_in_the_disk()
    {
        List<double> told = [];
        await using ListedNode source = new(Content(14)), target = new(new byte[LengthBytes]);
        Run([source], target, new CopyOptions { CountsData = false, Progress = told.Add, TargetIsZero = true });
        Assert.Equal(1, told[^1]);
        for (int i = 1; i < told.Count; i++) Assert.True(told[i] > told[i - 1]);
    }

    [Fact]
    public async Task A_cancelled_copy_stops()
    {
        await using ListedNode source = new(Content(13)), target = new(new byte[LengthBytes]);
        using CopyJob job = new([source], target, new CopyOptions { Workers = 3 }, new CancellationToken(canceled: true));
        Assert.ThrowsAny<OperationCanceledException>(job.Run);
    }

    private static void Run(IReadOnlyList<BlockNode> sources, ImageNode target, CopyOptions options)
    {
        using CopyJob job = new(sources, target, options, CancellationToken.None);
        job.Run();
    }

    // Runs of data and of zeros of all lengths.
    private static byte[] Content(int seed)
    {
        Random random = new(seed);
        byte[] content = new byte[LengthBytes];
        for (int at = 0; at < content.Length;)
        {
            int length = Math.Min(content.Length - at, 512 * random.Next(1, random.Next(2) == 0 ? 20 : 1000));
            if (random.Next(2) == 0) random.NextBytes(content.AsSpan(at, length));
            at += length;
        }
        return content;
    }

    private sealed class ListedNode : ImageNode
    {
        private readonly MemoryNode _memory;
        private readonly List<(long Offset, long Length, bool IsData)> _writes = [];

        internal ListedNode(byte[] content)
        {
            _memory = new MemoryNode(content.Length);
            BlockNodeContract.Write(_memory, 0, content).GetAwaiter().GetResult();
        }

        internal IReadOnlyList<(long Offset, long Length, bool IsData)> Writes => _writes;

        internal long FailsAt { get; init; } = -1;

        internal byte[] Content => BlockNodeContract.Read(_memory, 0, (int)LengthBytes).GetAwaiter().GetResult();

        public override ImageFormat Format => ImageFormats.Find("raw")!;

        public override long LengthBytes => _memory.LengthBytes;

        public override BlockLimits Limits => _memory.Limits;

        public override ImmutableArray<BlockEdge> Children => [];

        public override ValueTask ReadAsync(long offset, IoVector destination, CancellationToken cancellation)
        {
            if (FailsAt >= offset && FailsAt < offset + destination.LengthBytes) throw new BlockIoException("Broken.");
            lock (_writes) return _memory.ReadAsync(offset, destination, cancellation);
        }

        public override ValueTask WriteAsync(long offset, IoVector source, WriteFlags flags, CancellationToken cancellation)
        {
            lock (_writes)
            {
                _writes.Add((offset, source.LengthBytes, true));
                return _memory.WriteAsync(offset, source, flags, cancellation);
            }
        }

        public override ValueTask WriteZeroesAsync(long offset, long lengthBytes, WriteFlags flags, CancellationToken cancellation)
        {
            lock (_writes)
            {
                _writes.Add((offset, lengthBytes, false));
                return _memory.WriteZeroesAsync(offset, lengthBytes, flags, cancellation);
            }
        }

        public override ValueTask DiscardAsync(long offset, long lengthBytes, CancellationToken cancellation) => ValueTask.CompletedTask;

        public override ValueTask FlushAsync(CancellationToken cancellation) => ValueTask.CompletedTask;

        public override ValueTask<BlockExtent> GetExtentAsync(long offset, long lengthBytes, CancellationToken cancellation) => new(new BlockExtent(BlockExtentKind.Data, lengthBytes));

        public override ValueTask DisposeAsync() => _memory.DisposeAsync();
    }
}
