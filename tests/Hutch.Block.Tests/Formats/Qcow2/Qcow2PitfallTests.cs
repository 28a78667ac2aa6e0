using System;
using System.Buffers.Binary;
using System.Collections.Generic;
using System.Linq;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Formats;
using Hutch.Block.Formats.Qcow2;
using Hutch.Block.Formats.Raw;
using Hutch.Block.Graph;
using Hutch.Host.Files;
using Xunit;

namespace Hutch.Block.Tests.Formats.Qcow2;

/// <summary>What other implementations of the format got wrong at one time.</summary>
public sealed class Qcow2PitfallTests
{
    private const int Cluster = 4096;

    [Fact]
    public async Task A_backing_image_that_is_shorter_is_followed_by_zeros_even_after_growing()
    {
        MemoryFile backing = new(Bytes(3 * Cluster, 7)), file = await Qcow2Images.CreateAsync(2 * Cluster, "cluster_size=4k,backing_file=b,backing_fmt=raw");
        await using Qcow2Node node = await Qcow2Images.OpenAsync(file, references: new GivenReferences(backing));
        Assert.Equal(Bytes(2 * Cluster, 7), await BlockNodeContract.Read(node, 0, 2 * Cluster));
        await node.ResizeAsync(5 * Cluster, Preallocation.Off, default);
        // The backing image has a third cluster, but the disk never showed it.
        Assert.Equal(new byte[3 * Cluster], await BlockNodeContract.Read(node, 2 * Cluster, 3 * Cluster));
        await BlockNodeContract.Write(node, (4 * Cluster) + 512, Bytes(512, 9));
        Assert.Equal(new byte[512], await BlockNodeContract.Read(node, 4 * Cluster, 512));
    }

    [Fact]
    public async Task What_shrinking_cut_does_not_come_back()
    {
        MemoryFile file = await Qcow2Images.CreateAsync(64 * Cluster, "cluster_size=4k");
        await using (Qcow2Node node = await Qcow2Images.OpenAsync(file))
        {
            await BlockNodeContract.Write(node, 0, Bytes(64 * Cluster, 5));
            await node.ResizeAsync((10 * Cluster) + 512, Preallocation.Off, default);
            Assert.Equal((10 * Cluster) + 512, node.LengthBytes);
            await node.ResizeAsync(64 * Cluster, Preallocation.Off, default);
            Assert.Equal(Bytes((10 * Cluster) + 512, 5), await BlockNodeContract.Read(node, 0, (10 * Cluster) + 512));
            Assert.Equal(new byte[(54 * Cluster) - 512], await BlockNodeContract.Read(node, (10 * Cluster) + 512, (54 * Cluster) - 512));
        }
        Assert.Equal((0, 0), Qcow2Images.Examine(file.Content));
        Assert.InRange(file.LengthBytes, 15 * Cluster, 25 * Cluster);
    }

    [Theory]
    [InlineData(Preallocation.Metadata)]
    [InlineData(Preallocation.Falloc)]
    [InlineData(Preallocation.Full)]
    public async Task Growing_can_take_the_space_at_once(Preallocation preallocation)
    {
        MemoryFile file = await Qcow2Images.CreateAsync(3 * Cluster, "cluster_size=4k");
        await using (Qcow2Node node = await Qcow2Images.OpenAsync(file))
        {
            await BlockNodeContract.Write(node, Cluster, Bytes(Cluster, 5));
            await node.ResizeAsync(100 * Cluster, preallocation, default);
            BlockExtent extent = await node.GetExtentAsync(3 * Cluster, 97 * Cluster, default);
            Assert.Equal(BlockExtentKind.Data, extent.Kind);
            Assert.Equal(new byte[97 * Cluster], await BlockNodeContract.Read(node, 3 * Cluster, 97 * Cluster));
        }
        Assert.Equal((0, 0), Qcow2Images.Examine(file.Content));
    }

    [Fact]
    public async Task Discarding_over_a_backing_image_reads_zeros_where_the_format_can_say_so()
    {
        foreach ((string compat, byte expected) in new[] { ("1.1", (byte)0), ("0.10", (byte)7) })
        {
            MemoryFile file = await Qcow2Images.CreateAsync(4 * Cluster, $"cluster_size=4k,backing_file=b,backing_fmt=raw,compat={compat}");
            await using Qcow2Node node = await Qcow2Images.OpenAsync(file, references: new GivenReferences(new MemoryFile(Bytes(4 * Cluster, 7))));
            await node.DiscardAsync(Cluster, Cluster, default);
            Assert.Equal(Bytes(Cluster, expected), await BlockNodeContract.Read(node, Cluster, Cluster));
            Assert.Equal(Bytes(Cluster, 7), await BlockNodeContract.Read(node, 2 * Cluster, Cluster));
        }
    }

    [Fact]
    public async Task Zeroes_in_an_empty_cluster_take_no_space()
    {
        MemoryFile file = await Qcow2Images.CreateAsync(64 * Cluster, "cluster_size=4k");
        await using (Qcow2Node node = await Qcow2Images.OpenAsync(file)) await node.WriteZeroesAsync(512, (20 * Cluster) + 1024, WriteFlags.None, default);
        Assert.Equal(5 * Cluster, file.LengthBytes);
    }

    [Fact]
    public async Task Two_writes_into_an_empty_cluster_take_one_cluster()
    {
        MemoryFile file = await Qcow2Images.CreateAsync(64 * Cluster, "cluster_size=4k");
        await using (Qcow2Node node = await Qcow2Images.OpenAsync(file))
        {
            TaskCompletionSource go = new();
            file.HoldWrite = (_, _) => go.Task;
            Task[] writes = [.. Enumerable.Range(0, 8).Select(i => BlockNodeContract.Write(node, i * 512, Bytes(512, (byte)(i + 1))))];
            Assert.All(writes, static write => Assert.False(write.IsCompleted));
            file.HoldWrite = null;
            go.SetResult();
            await Task.WhenAll(writes);
            for (int i = 0; i < 8; i++) Assert.Equal(Bytes(512, (byte)(i + 1)), await BlockNodeContract.Read(node, i * 512, 512));
        }
        Assert.Equal(6 * Cluster, file.LengthBytes);
        Assert.Equal((0, 0), Qcow2Images.Examine(file.Content));
    }

    [Fact]
    public async Task A_freed_cluster_is_not_used_again_before_the_storage_took_its_space_back()
    {
        MemoryFile file = await Qcow2Images.CreateAsync(64 * Cluster, "cluster_size=4k");
        await using Qcow2Node node = await Qcow2Images.OpenAsync(file);
        await BlockNodeContract.Write(node, 0, Bytes(Cluster, 1));
        long place = (await node.GetExtentAsync(0, Cluster, default)).FileOffset;
        await node.FlushAsync(default);
        TaskCompletionSource go = new();
        file.HoldDiscard = (_, _) => go.Task;
        await node.DiscardAsync(0, Cluster, default);
        await node.FlushAsync(default);
        await BlockNodeContract.Write(node, Cluster, Bytes(Cluster, 2));
        Assert.NotEqual(place, (await node.GetExtentAsync(Cluster, Cluster, default)).FileOffset);
        go.SetResult();
        await node.FlushAsync(default);
        await Task.Yield();
        Assert.Equal(Bytes(Cluster, 2), await BlockNodeContract.Read(node, Cluster, Cluster));
    }

    [Fact]
    public async Task A_freed_cluster_is_not_used_again_while_a_write_to_it_is_in_flight()
    {
        MemoryFile file = await Qcow2Images.CreateAsync(64 * Cluster, "cluster_size=4k");
        await using Qcow2Node node = await Qcow2Images.OpenAsync(file);
        await BlockNodeContract.Write(node, 0, Bytes(Cluster, 1));
        await node.FlushAsync(default);
        long place = (await node.GetExtentAsync(0, Cluster, default)).FileOffset;
        TaskCompletionSource go = new();
        file.HoldWrite = (offset, _) => offset == place ? go.Task : Task.CompletedTask;
        Task late = BlockNodeContract.Write(node, 0, Bytes(Cluster, 3));
        await node.DiscardAsync(0, Cluster, default);
        await node.FlushAsync(default);
        await BlockNodeContract.Write(node, Cluster, Bytes(Cluster, 2));
        go.SetResult();
        await late;
        Assert.Equal(Bytes(Cluster, 2), await BlockNodeContract.Read(node, Cluster, Cluster));
        Assert.NotEqual(place, (await node.GetExtentAsync(Cluster, Cluster, default)).FileOffset);
    }

    [Fact]
    public async Task Clusters_that_were_freed_are_used_again_after_a_flush()
    {
        MemoryFile file = await Qcow2Images.CreateAsync(64 * Cluster, "cluster_size=4k");
        await using (Qcow2Node node = await Qcow2Images.OpenAsync(file))
        {
            for (int i = 0; i < 50; i++)
            {
                await BlockNodeContract.Write(node, i * Cluster, Bytes(Cluster, 1));
                await node.FlushAsync(default);
                await node.DiscardAsync(i * Cluster, Cluster, default);
                await node.FlushAsync(default);
            }
        }
        Assert.InRange(file.LengthBytes, 5 * Cluster, 8 * Cluster);
        Assert.Equal((0, 0), Qcow2Images.Examine(file.Content));
    }

    [Fact]
    public async Task Lazy_refcounts_are_told_before_the_first_change_and_made_good_at_the_end()
    {
        MemoryFile file = await Qcow2Images.CreateAsync(64 * Cluster, "cluster_size=4k,lazy_refcounts=on");
        byte[] crashed;
        await using (Qcow2Node node = await Qcow2Images.OpenAsync(file))
        {
            Assert.False(node.IsDirty);
            await BlockNodeContract.Write(node, 0, Bytes(Cluster, 1));
            Assert.True(node.IsDirty);
            await node.FlushAsync(default);
            crashed = file.Content;
        }
        Assert.Equal((0, 0), Qcow2Images.Examine(file.Content));
        await using Qcow2Node after = await Qcow2Images.OpenAsync(file);
        Assert.False(after.IsDirty);
        await using Qcow2Node dirty = await Qcow2Images.OpenAsync(new MemoryFile(crashed), readOnly: true);
        Assert.True(dirty.IsDirty);
        Assert.Equal(Bytes(Cluster, 1), await BlockNodeContract.Read(dirty, 0, Cluster));
    }

    [Fact]
    public async Task A_wrong_entry_fails_the_read_and_marks_the_image_once()
    {
        MemoryFile file = await Qcow2Images.CreateAsync(64 * Cluster, "cluster_size=4k");
        await using (Qcow2Node node = await Qcow2Images.OpenAsync(file)) await BlockNodeContract.Write(node, 0, Bytes(2 * Cluster, 1));
        await Poke(file, 4 * Cluster, Qcow2Limits.CopiedFlag | 0x2a00);
        List<string> messages = [];
        await using (Qcow2Node node = await Qcow2Images.OpenAsync(file, report: messages.Add))
        {
            await Assert.ThrowsAsync<BlockIoException>(async () => await BlockNodeContract.Read(node, 0, 512));
            await Assert.ThrowsAsync<BlockIoException>(async () => await BlockNodeContract.Read(node, 0, 512));
            await Assert.ThrowsAsync<BlockIoException>(async () => await BlockNodeContract.Write(node, 10 * Cluster, Bytes(512, 1)));
            Assert.Equal(Bytes(Cluster, 1), await BlockNodeContract.Read(node, Cluster, Cluster));
        }
        Assert.Equal(["qcow2: Marking image as corrupt: Cluster allocation offset 0x2a00 unaligned (L2 offset: 0x4000, L2 index: 0x0); further corruption events will be suppressed"], messages);
        ImageException refusal = await Assert.ThrowsAsync<ImageException>(async () => await Qcow2Images.OpenAsync(file));
        Assert.Equal("qcow2: Image is corrupt; cannot be opened read/write", refusal.Message);
        await using Qcow2Node readOnly = await Qcow2Images.OpenAsync(file, readOnly: true);
        Assert.Equal(Bytes(Cluster, 1), await BlockNodeContract.Read(readOnly, Cluster, Cluster));
    }

    [Theory]
    [InlineData(1, "Preventing invalid write on metadata (overlaps with refcount table)")]
    [InlineData(2, "Preventing invalid write on metadata (overlaps with refcount block)")]
    [InlineData(3, "Preventing invalid write on metadata (overlaps with active L1 table)")]
    [InlineData(4, "Preventing invalid write on metadata (overlaps with active L2 table)")]
    public async Task Metadata_that_a_wrong_refcount_calls_free_is_not_overwritten(int cluster, string message)
    {
        MemoryFile file = await Qcow2Images.CreateAsync(64 * Cluster, "cluster_size=4k");
        await using (Qcow2Node node = await Qcow2Images.OpenAsync(file)) await BlockNodeContract.Write(node, 0, Bytes(Cluster, 1));
        await file.WriteBytesAsync((2 * Cluster) + (cluster * 2), new byte[2], WriteFlags.None, default);
        byte[] before = file.Content[(cluster * Cluster)..((cluster + 1) * Cluster)];
        List<string> messages = [];
        await using (Qcow2Node node = await Qcow2Images.OpenAsync(file, report: messages.Add))
            await Assert.ThrowsAsync<BlockIoException>(async () => await BlockNodeContract.Write(node, 10 * Cluster, Bytes(512, 1)));
        Assert.Equal([$"qcow2: Marking image as corrupt: {message}; further corruption events will be suppressed"], messages);
        Assert.Equal(before, file.Content[(cluster * Cluster)..((cluster + 1) * Cluster)]);
    }

    [Fact]
    public async Task An_entry_that_names_metadata_does_not_overwrite_it()
    {
        MemoryFile file = await Qcow2Images.CreateAsync(64 * Cluster, "cluster_size=4k");
        await using (Qcow2Node node = await Qcow2Images.OpenAsync(file)) await BlockNodeContract.Write(node, 0, Bytes(Cluster, 1));
        await Poke(file, 4 * Cluster, Qcow2Limits.CopiedFlag | (2 * Cluster));
        await using (Qcow2Node node = await Qcow2Images.OpenAsync(file))
            await Assert.ThrowsAsync<BlockIoException>(async () => await BlockNodeContract.Write(node, 0, Bytes(512, 1)));
        Assert.Equal(1, BinaryPrimitives.ReadUInt16BigEndian(file.Content.AsSpan(2 * Cluster)));
    }

    [Fact]
    public async Task A_full_refcount_table_is_replaced()
    {
        const int length = 6 << 20;
        MemoryFile file = await Qcow2Images.CreateAsync(length, "cluster_size=512,refcount_bits=64");
        byte[] model = new byte[length];
        Random random = new(3);
        random.NextBytes(model);
        await using (Qcow2Node node = await Qcow2Images.OpenAsync(file))
        {
            for (int at = 0; at < length; at += 1 << 18) await BlockNodeContract.Write(node, at, model[at..(at + (1 << 18))]);
            Assert.True(node.Metadata.Refcounts.Table.Length > 64);
        }
        Assert.Equal((0, 0), Qcow2Images.Examine(file.Content));
        await using Qcow2Node again = await Qcow2Images.OpenAsync(file, readOnly: true);
        Assert.Equal(model, await BlockNodeContract.Read(again, 0, length));
    }

    [Fact]
    public async Task A_write_that_fails_gives_its_clusters_back()
    {
        MemoryFile file = await Qcow2Images.CreateAsync(64 * Cluster, "cluster_size=4k");
        await using (Qcow2Node node = await Qcow2Images.OpenAsync(file))
        {
            file.BeforeWrite = static (_, _) => throw new BlockIoException("No.", BlockIoException.Enospc);
            BlockIoException failure = await Assert.ThrowsAsync<BlockIoException>(async () => await BlockNodeContract.Write(node, 0, Bytes(512, 1)));
            Assert.Equal(BlockIoException.Enospc, failure.Errno);
            file.BeforeWrite = null;
            Assert.Equal(new byte[512], await BlockNodeContract.Read(node, 0, 512));
            await BlockNodeContract.Write(node, 512, Bytes(512, 2));
        }
        Assert.Equal((0, 0), Qcow2Images.Examine(file.Content));
    }

    [Fact]
    public async Task A_commit_that_fails_is_made_good_by_the_next()
    {
        MemoryFile file = await Qcow2Images.CreateAsync(64 * Cluster, "cluster_size=4k");
        await using (Qcow2Node node = await Qcow2Images.OpenAsync(file))
        {
            await BlockNodeContract.Write(node, 0, Bytes(3 * Cluster, 1));
            for (int fail = 0; fail < 4; fail++)
            {
                int left = fail;
                file.BeforeWrite = (_, _) =>
                {
                    if (left-- == 0) throw new BlockIoException("No.");
                };
                _ = await Record.ExceptionAsync(async () => await node.FlushAsync(default));
                file.BeforeWrite = null;
                await BlockNodeContract.Write(node, (10 + fail) * Cluster, Bytes(Cluster, 2));
            }
            await node.FlushAsync(default);
        }
        Assert.Equal((0, 0), Qcow2Images.Examine(file.Content));
        await using Qcow2Node again = await Qcow2Images.OpenAsync(file, readOnly: true);
        Assert.Equal(Bytes(3 * Cluster, 1), await BlockNodeContract.Read(again, 0, 3 * Cluster));
        Assert.Equal(Bytes(4 * Cluster, 2), await BlockNodeContract.Read(again, 10 * Cluster, 4 * Cluster));
    }

    [Fact]
    public async Task An_overlay_without_its_backing_image_does_not_make_its_data_up()
    {
        MemoryFile file = await Qcow2Images.CreateAsync(64 * Cluster, "cluster_size=4k,backing_file=b,backing_fmt=raw");
        await using Qcow2Node node = await Qcow2Images.OpenAsync(file);
        await Assert.ThrowsAsync<BlockIoException>(async () => await BlockNodeContract.Read(node, 0, 512));
        await Assert.ThrowsAsync<BlockIoException>(async () => await BlockNodeContract.Write(node, 512, Bytes(512, 1)));
        await BlockNodeContract.Write(node, Cluster, Bytes(Cluster, 1));
        Assert.Equal(Bytes(Cluster, 1), await BlockNodeContract.Read(node, Cluster, Cluster));
    }

    [Fact]
    public async Task An_emptied_overlay_shows_its_backing_image()
    {
        MemoryFile file = await Qcow2Images.CreateAsync(64 * Cluster, "cluster_size=4k,backing_file=b,backing_fmt=raw");
        byte[] below = Bytes(64 * Cluster, 7);
        await using (Qcow2Node node = await Qcow2Images.OpenAsync(file, references: new GivenReferences(new MemoryFile(below))))
        {
            await BlockNodeContract.Write(node, 0, Bytes(40 * Cluster, 1));
            await node.WriteZeroesAsync(50 * Cluster, Cluster, WriteFlags.None, default);
            await node.MakeEmptyAsync(default);
            Assert.Equal(below, await BlockNodeContract.Read(node, 0, 64 * Cluster));
        }
        Assert.Equal((0, 0), Qcow2Images.Examine(file.Content));
        Assert.Equal(4 * Cluster, file.LengthBytes);
    }

    [Theory]
    [InlineData("", false, true)]
    [InlineData("preallocation=metadata", false, true)]
    [InlineData("", true, true)]
    [InlineData("preallocation=metadata", true, false)]
    public async Task A_new_image_is_zero_where_its_clusters_are(string options, bool isUsed, bool isZero)
    {
        MemoryFile file = new() { IsUsed = isUsed };
        await Qcow2Format.Instance.CreateAsync(file, new ImageCreateRequest { LengthBytes = 1 << 20, Options = Qcow2Images.Parse(options) }, default);
        await using Qcow2Node node = await Qcow2Images.OpenAsync(file);
        Assert.Equal(isZero, node.IsZeroWhenNew);
        await using ImageNode raw = await RawFormat.Instance.OpenAsync(new MemoryFile(new byte[512]) { IsUsed = isUsed }, new ImageOpenOptions { ReadOnly = false }, default);
        Assert.Equal(!isUsed, raw.IsZeroWhenNew);
    }

    [Fact]
    public async Task Reads_and_writes_in_place_take_no_managed_memory()
    {
        Block.Simulation.MemoryNode storage = new(0);
        await Qcow2Format.Instance.CreateAsync(storage, new ImageCreateRequest { LengthBytes = 1 << 20, Options = Qcow2Images.Parse("") }, default);
        await using ImageNode node = await Qcow2Format.Instance.OpenAsync(storage, new ImageOpenOptions { ReadOnly = false }, default);
        await BlockNodeContract.Write(node, 0, Bytes(1 << 20, 3));
        using NativeBuffer buffer = new(4096);
        IoVector vector = new(new[] { buffer.Segment(0, 4096) });
        void Run()
        {
            for (int i = 0; i < 200; i++)
            {
                ValueTask read = node.ReadAsync(i * 4096, vector, CancellationToken.None), write = node.WriteAsync(i * 4096, vector, WriteFlags.None, CancellationToken.None);
                Assert.True(read.IsCompletedSuccessfully && write.IsCompletedSuccessfully);
            }
        }
        Assert.Equal(0, ManagedMemory.Taken(Run));
    }

    [Theory]
    [InlineData("encrypt.format=luks,encrypt.key-secret=s,encrypt.iter-time=1")]
    [InlineData("encrypt.format=aes,encrypt.key-secret=s")]
    public async Task Encrypted_data_is_not_in_the_file_and_needs_the_right_key(string options)
    {
        MemoryFile file = new();
        Secrets right = new("correct horse"u8.ToArray()), wrong = new("wrong"u8.ToArray());
        await Qcow2Format.Instance.CreateAsync(file, new ImageCreateRequest { LengthBytes = 1 << 20, Options = Qcow2Images.Parse(options), Secrets = right }, default);
        byte[] data = Bytes(100 * 512, 0x61);
        ImageOpenOptions open = new() { ReadOnly = false, Secrets = right, Options = Qcow2Images.Parse("encrypt.key-secret=s") };
        await using (ImageNode node = await Qcow2Format.Instance.OpenAsync(file, open, default))
        {
            Assert.True(node.IsEncrypted);
            Assert.Equal(512, node.Limits.RequestAlignmentBytes);
            await BlockNodeContract.Write(node, 512, data, cuts: 3);
            Assert.Equal(data, await BlockNodeContract.Read(node, 512, data.Length, cuts: 2));
            Assert.Equal(new byte[512], await BlockNodeContract.Read(node, 0, 512));
        }
        Assert.Equal(-1, file.Content.AsSpan().IndexOf(data.AsSpan(0, 512)));
        await using (ImageNode node = await Qcow2Format.Instance.OpenAsync(file, open with { ReadOnly = true }, default))
            Assert.Equal(data, await BlockNodeContract.Read(node, 512, data.Length));
        await Assert.ThrowsAsync<ImageException>(async () => await Qcow2Format.Instance.OpenAsync(file, open with { Options = Qcow2Images.Parse("") }, default));
        if (!options.Contains("luks", StringComparison.Ordinal)) return;
        ImageException refusal = await Assert.ThrowsAsync<ImageException>(async () => await Qcow2Format.Instance.OpenAsync(file, open with { Secrets = wrong }, default));
        Assert.Equal("Invalid password, cannot unlock any keyslot", refusal.Message);
    }

    internal static byte[] Bytes(int length, byte value)
    {
        byte[] bytes = new byte[length];
        bytes.AsSpan().Fill(value);
        return bytes;
    }

    private static async Task Poke(MemoryFile file, long offset, ulong word)
    {
        byte[] bytes = new byte[8];
        BinaryPrimitives.WriteUInt64BigEndian(bytes, word);
        await file.WriteBytesAsync(offset, bytes, WriteFlags.None, default);
    }

    private sealed class Secrets(byte[] secret) : ISecrets
    {
        public byte[]? Find(string id) => id == "s" ? secret : null;
    }
}
