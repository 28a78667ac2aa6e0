using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Threading.Tasks;
using Hutch.Block.Files;
using Hutch.Block.Graph;
using Hutch.Host.DiskIo;
using Hutch.Host.Files;
using Xunit;

namespace Hutch.Block.Tests.Files;

public sealed class FileNodeTests : IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("hutch-file").FullName;

    private string Image => Path.Combine(_directory, "a.img");

    [Theory]
    [InlineData(CacheMode.Writeback)]
    [InlineData(CacheMode.None)]
    public async Task Misaligned_writes_at_once_do_not_lose_each_other(CacheMode cache)
    {
        await using FileNode node = await FileNode.CreateAsync(Image, 1 << 20, Preallocation.Off, new FileOpenOptions { Cache = cache }, default);
        byte[] model = new byte[1 << 20];
        Random random = new(17);
        List<Task> writes = [];
        for (int at = 0; at < model.Length - 3000;)
        {
            byte[] data = new byte[random.Next(1, 2000)];
            random.NextBytes(data);
            data.CopyTo(model, at);
            writes.Add(BlockNodeContract.Write(node, at, data, cuts: random.Next(1, 4)));
            at += data.Length + random.Next(0, 3);
        }
        await Task.WhenAll(writes);
        Assert.Equal(model, await BlockNodeContract.Read(node, 0, model.Length));
        await node.FlushAsync(default);
        Assert.Equal(model, File.ReadAllBytes(Image));
    }

    [Fact]
    public async Task Long_work_leaves_the_thread_that_carries_out_all_requests()
    {
        await using FileNode node = await FileNode.CreateAsync(Image, 1 << 20, Preallocation.Off, new FileOpenOptions { Cache = CacheMode.None, ContinuesInline = true }, default);
        // The thread engine has several threads, which may all work for long.
        Assert.Equal(DiskEngine.Uring is not null, await Task.Run(() => LeaveAsync(node)));
    }

    // Whether a request went on on the thread that carries out all. One that is complete before it is awaited goes on where it was made.
    private static async Task<bool> LeaveAsync(FileNode node)
    {
        using NativeBuffer buffer = new(4096);
        bool wasThere = false;
        for (int i = 0; i < 1000 && !wasThere; i++)
        {
            await node.WriteAsync(0, new IoVector(new[] { buffer.Segment(0, 4096) }), WriteFlags.Durable, default).ConfigureAwait(false);
            wasThere = !default(PoolThread).IsCompleted;
            await default(PoolThread);
            Assert.True(default(PoolThread).IsCompleted);
        }
        return wasThere;
    }

    [Theory]
    [InlineData(CacheMode.Writeback)]
    [InlineData(CacheMode.None)]
    public async Task A_file_grows_to_the_byte(CacheMode cache)
    {
        await using FileNode node = await FileNode.CreateAsync(Image, 0, Preallocation.Off, new FileOpenOptions { Cache = cache }, default);
        await BlockNodeContract.Write(node, 0, Enumerable.Repeat((byte)1, 1000).ToArray());
        Assert.Equal((1000, 1000), (node.LengthBytes, new FileInfo(Image).Length));
        await BlockNodeContract.Write(node, 700, Enumerable.Repeat((byte)2, 100).ToArray());
        Assert.Equal((1000, 1000), (node.LengthBytes, new FileInfo(Image).Length));
        await BlockNodeContract.Write(node, 5000, [3]);
        Assert.Equal((5001, 5001), (node.LengthBytes, new FileInfo(Image).Length));
        Assert.Equal([0, 3, 0, 0], await BlockNodeContract.Read(node, 4999, 4));
        Assert.Equal([1, 2], (await BlockNodeContract.Read(node, 699, 2)));
    }

    [Theory]
    [InlineData(CacheMode.Writeback, WriteFlags.None)]
    [InlineData(CacheMode.Writeback, WriteFlags.MayUnmap)]
    [InlineData(CacheMode.Writeback, WriteFlags.MayUnmap | WriteFlags.Durable)]
    [InlineData(CacheMode.None, WriteFlags.None)]
    [InlineData(CacheMode.None, WriteFlags.MayUnmap)]
    public async Task Zeroes_are_exact_and_make_the_file_longer(CacheMode cache, WriteFlags flags)
    {
        File.WriteAllBytes(Image, Enumerable.Repeat((byte)9, 20000).ToArray());
        await using FileNode node = FileNode.Open(Image, new FileOpenOptions { Cache = cache });
        await node.WriteZeroesAsync(10, 20, flags, default);
        await node.WriteZeroesAsync(4000, 5000, flags, default);
        await node.WriteZeroesAsync(19990, 5000, flags, default);
        await node.WriteZeroesAsync(30000, 10, flags, default);
        await node.WriteZeroesAsync(5, 0, flags, default);
        byte[] model = new byte[30010];
        model.AsSpan(0, 19990).Fill(9);
        model.AsSpan(10, 20).Clear();
        model.AsSpan(4000, 5000).Clear();
        Assert.Equal(30010, node.LengthBytes);
        Assert.Equal(model, await BlockNodeContract.Read(node, 0, 30010));
        await node.FlushAsync(default);
        Assert.Equal(model, File.ReadAllBytes(Image));
    }

    [Fact]
    public async Task Unmapping_zeroes_and_discards_give_space_back_and_others_keep_it()
    {
        await using FileNode node = await FileNode.CreateAsync(Image, 1 << 20, Preallocation.Falloc, new FileOpenOptions(), default);
        using DiskFile look = DiskFile.Open(Image, readOnly: true);
        long full = look.GetAllocatedBytes();
        Assert.InRange(full, 1 << 20, 2 << 20);
        await node.WriteZeroesAsync(0, 1 << 19, WriteFlags.None, default);
        Assert.InRange(look.GetAllocatedBytes(), 1 << 20, 2 << 20);
        await node.WriteZeroesAsync(0, 1 << 18, WriteFlags.MayUnmap, default);
        Assert.InRange(look.GetAllocatedBytes(), (1 << 19) + (1 << 18), full - (1 << 18));
        await node.DiscardAsync(0, 1 << 20, default);
        Assert.InRange(look.GetAllocatedBytes(), 0, 1 << 16);
    }

    [Fact]
    public async Task Without_unmap_nothing_is_given_back()
    {
        await using FileNode node = await FileNode.CreateAsync(Image, 1 << 20, Preallocation.Full, new FileOpenOptions { Unmap = false }, default);
        Assert.False(node.Limits.CanDiscard);
        await node.DiscardAsync(0, 1 << 20, default);
        await node.WriteZeroesAsync(0, 1 << 20, WriteFlags.MayUnmap, default);
        using DiskFile look = DiskFile.Open(Image, readOnly: true);
        Assert.InRange(look.GetAllocatedBytes(), 1 << 20, 2 << 20);
    }

    [Theory]
    [InlineData(Preallocation.Falloc)]
    [InlineData(Preallocation.Full)]
    public async Task Preallocation_grows_and_never_shrinks(Preallocation preallocation)
    {
        File.WriteAllBytes(Image, [1, 2, 3]);
        await using FileNode node = FileNode.Open(Image, readOnly: false);
        await node.ResizeAsync(300001, preallocation, default);
        Assert.Equal((300001, 300001), (node.LengthBytes, new FileInfo(Image).Length));
        Assert.Equal([1, 2, 3, 0], await BlockNodeContract.Read(node, 0, 4));
        BlockIoException e = await Assert.ThrowsAsync<BlockIoException>(async () => await node.ResizeAsync(5, preallocation, default));
        Assert.Equal("Preallocation can't be used for shrinking files", e.Message);
        e = await Assert.ThrowsAsync<BlockIoException>(async () => await node.ResizeAsync(400000, Preallocation.Metadata, default));
        Assert.Equal("Unsupported preallocation mode 'metadata'", e.Message);
        await node.ResizeAsync(2, Preallocation.Off, default);
        Assert.Equal([1, 2, 0], await BlockNodeContract.Read(node, 0, 3));
    }

    [Fact]
    public async Task An_impossible_length_fails_and_changes_nothing()
    {
        File.WriteAllBytes(Image, [1, 2, 3]);
        await using FileNode node = FileNode.Open(Image, readOnly: false);
        BlockIoException e = await Assert.ThrowsAsync<BlockIoException>(async () => await node.ResizeAsync(long.MaxValue, Preallocation.Full, default));
        Assert.NotEqual(0, e.Errno);
        await Assert.ThrowsAsync<BlockIoException>(async () => await node.ResizeAsync(long.MaxValue, Preallocation.Off, default));
        Assert.Equal((3, 3), (node.LengthBytes, new FileInfo(Image).Length));
    }

    [Fact]
    public async Task Making_a_file_empties_the_one_that_is_there_unless_it_is_in_use()
    {
        File.WriteAllBytes(Image, [1, 2, 3]);
        await using (FileNode reader = FileNode.Open(Image, readOnly: true))
            await Assert.ThrowsAsync<DiskOpenException>(async () => await FileNode.CreateAsync(Image, 100, Preallocation.Off, new FileOpenOptions(), default));
        Assert.Equal(3, new FileInfo(Image).Length);
        await using FileNode node = await FileNode.CreateAsync(Image, 100, Preallocation.Off, new FileOpenOptions(), default);
        Assert.Equal(new byte[100], await BlockNodeContract.Read(node, 0, 100));
        DiskOpenException e = await Assert.ThrowsAsync<DiskOpenException>(async () =>
            await FileNode.CreateAsync(Path.Combine(_directory, "absent", "a.img"), 100, Preallocation.Off, new FileOpenOptions(), default));
        Assert.Equal($"Could not create '{Path.Combine(_directory, "absent", "a.img")}': No such file or directory", e.Reason);
    }

    [Fact]
    public async Task A_file_that_could_not_be_made_leaves_no_name()
    {
        await Assert.ThrowsAsync<BlockIoException>(async () => await FileNode.CreateAsync(Image, 1L << 60, Preallocation.Falloc, new FileOpenOptions(), default));
        Assert.False(File.Exists(Image));
    }

    [Fact]
    public async Task Extents_tell_holes_from_data_also_after_changes()
    {
        await using FileNode node = await FileNode.CreateAsync(Image, 1 << 20, Preallocation.Off, new FileOpenOptions(), default);
        await BlockNodeContract.Write(node, 1 << 18, Enumerable.Repeat((byte)7, 1 << 18).ToArray());
        Assert.Equal((BlockExtentKind.Zero, 1L << 18), await Extent(node, 0));
        Assert.Equal((BlockExtentKind.Data, 1L << 18), await Extent(node, 1 << 18));
        Assert.Equal((BlockExtentKind.Data, 1L << 17), await Extent(node, (1 << 18) + (1 << 17)));
        await node.WriteZeroesAsync(1 << 18, 1 << 17, WriteFlags.MayUnmap, default);
        Assert.Equal((BlockExtentKind.Zero, (1L << 18) + (1 << 17)), await Extent(node, 0));
        Assert.Equal((BlockExtentKind.Zero, 50L), await Extent(node, 1 << 20, 50));
        BlockExtent extent = await node.GetExtentAsync(300000, 100, default);
        Assert.Equal((300000L, node), (extent.FileOffset, extent.File));
    }

    [Fact]
    public async Task A_file_that_is_open_for_reading_can_go_on_for_writing()
    {
        File.WriteAllBytes(Image, [1, 2, 3]);
        await using FileNode node = FileNode.Open(Image, readOnly: true);
        await Assert.ThrowsAsync<BlockIoException>(async () => await BlockNodeContract.Write(node, 0, [5]));
        node.Reopen(readOnly: false);
        await BlockNodeContract.Write(node, 0, [5]);
        Assert.Throws<DiskOpenException>(() => FileNode.Open(Image, readOnly: true));
        node.Reopen(readOnly: true);
        Assert.True(node.Limits.IsReadOnly);
        Assert.Equal([5, 2, 3], await BlockNodeContract.Read(node, 0, 3));
        await using FileNode other = FileNode.Open(Image, readOnly: true);
        Assert.Throws<DiskOpenException>(() => node.Reopen(readOnly: false));
        Assert.True(node.Limits.IsReadOnly);
        Assert.Throws<DiskOpenException>(() => FileNode.Open(Image, readOnly: false));
    }

    [Fact]
    public async Task Many_requests_in_flight_all_arrive()
    {
        await using FileNode node = await FileNode.CreateAsync(Image, 8 << 20, Preallocation.Off, new FileOpenOptions { Cache = CacheMode.None }, default);
        using NativeBuffer written = new(4096 * 2000), read = new(4096 * 2000);
        new Random(1).NextBytes(written.Span);
        Task[] tasks = new Task[2000];
        for (int i = 0; i < 2000; i++) tasks[i] = node.WriteAsync(i * 4096L, new IoVector(new[] { written.Segment(i * 4096, 4096) }), WriteFlags.None, default).AsTask();
        await Task.WhenAll(tasks);
        for (int i = 0; i < 2000; i++) tasks[i] = node.ReadAsync(i * 4096L, new IoVector(new[] { read.Segment(i * 4096, 4096) }), default).AsTask();
        await Task.WhenAll(tasks);
        Assert.True(written.Span.SequenceEqual(read.Span));
    }

    [Fact]
    public async Task A_vector_of_more_ranges_than_a_call_takes_is_carried_out()
    {
        await using FileNode node = await FileNode.CreateAsync(Image, 0, Preallocation.Off, new FileOpenOptions(), default);
        using NativeBuffer data = new(3 * 3000);
        new Random(2).NextBytes(data.Span);
        IoSegment[] segments = new IoSegment[3000];
        for (int i = 0; i < 3000; i++) segments[i] = data.Segment(i * 3, 3);
        await node.WriteAsync(1, new IoVector(segments), WriteFlags.Durable, default);
        byte[] before = data.Span.ToArray();
        Assert.Equal(before, await BlockNodeContract.Read(node, 1, 9000, cuts: 1500));
    }

    [Fact]
    public void Descriptors_are_not_inherited()
    {
        File.WriteAllBytes(Image, [1]);
        using DiskFile file = DiskFile.Open(Image, readOnly: true);
        // The flags are octal; O_CLOEXEC is 02000000.
        string flags = File.ReadLines($"/proc/self/fdinfo/{file.DangerousGetHandle()}").First(line => line.StartsWith("flags:", StringComparison.Ordinal)).Split(':')[1].Trim();
        Assert.NotEqual(0, Convert.ToInt32(flags, 8) & 0x80000);
    }

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    private static async Task<(BlockExtentKind Kind, long Length)> Extent(FileNode node, long offset, long length = long.MaxValue)
    {
        BlockExtent extent = await node.GetExtentAsync(offset, Math.Min(length, (1 << 20) - offset > 0 ? (1 << 20) - offset : length), default);
        return (extent.Kind, extent.LengthBytes);
    }
}
