using System;
using System.Collections.Generic;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Formats.Qcow2;
using Hutch.Block.Graph;
using Xunit;

namespace Hutch.Block.Tests.Formats.Qcow2;

/// <summary>Random operations against an array of bytes; the image is examined and opened again between.</summary>
public sealed class Qcow2ModelTests
{
    private const int LengthBytes = 3 << 18;

    [Theory]
    [InlineData("cluster_size=512", 1)]
    [InlineData("cluster_size=4k", 2)]
    [InlineData("cluster_size=64k", 3)]
    [InlineData("cluster_size=2M", 4)]
    [InlineData("compat=0.10,cluster_size=1k", 5)]
    [InlineData("extended_l2=on,cluster_size=16k", 6)]
    [InlineData("extended_l2=on,cluster_size=64k", 7)]
    [InlineData("refcount_bits=1,cluster_size=512", 8)]
    [InlineData("refcount_bits=2,cluster_size=1k", 9)]
    [InlineData("refcount_bits=4,cluster_size=512", 10)]
    [InlineData("refcount_bits=8,cluster_size=4k", 11)]
    [InlineData("refcount_bits=32,cluster_size=512", 12)]
    [InlineData("refcount_bits=64,cluster_size=512", 13)]
    [InlineData("lazy_refcounts=on,cluster_size=1k", 14)]
    [InlineData("compression_type=zstd,cluster_size=4k", 15)]
    [InlineData("backing_file=b,backing_fmt=raw,cluster_size=4k", 16)]
    [InlineData("backing_file=b,backing_fmt=raw,extended_l2=on,cluster_size=16k", 17)]
    [InlineData("backing_file=b,backing_fmt=raw,compat=0.10,cluster_size=2k", 18)]
    [InlineData("data_file=d,cluster_size=4k", 19)]
    [InlineData("data_file=d,data_file_raw=on,cluster_size=4k", 20)]
    [InlineData("preallocation=metadata,cluster_size=4k", 21)]
    [InlineData("cluster_size=512,l2-cache-size=512,refcount-cache-size=512", 22)]
    public async Task Content_is_what_was_written_and_refcounts_are_right(string options, int seed)
    {
        Random random = new(seed);
        Image image = await Image.CreateAsync(options, random);
        for (int round = 0; round < (options.Contains("2M", StringComparison.Ordinal) ? 2 : 5); round++)
        {
            await using (Qcow2Node node = await image.OpenAsync())
            {
                for (int i = 0; i < 60; i++) await image.OperateAsync(node, random);
                Assert.Equal(image.Model, await BlockNodeContract.Read(node, 0, LengthBytes, cuts: 3));
            }
            Assert.Equal((0, 0), Qcow2Images.Examine(image.File.Content));
        }
        await using Qcow2Node last = await image.OpenAsync(readOnly: true);
        Assert.Equal(image.Model, await BlockNodeContract.Read(last, 0, LengthBytes));
    }

    [Theory]
    [InlineData("cluster_size=4k", 31)]
    [InlineData("extended_l2=on,cluster_size=16k", 32)]
    [InlineData("backing_file=b,backing_fmt=raw,cluster_size=16k", 33)]
    public async Task Requests_at_the_same_time_leave_each_sector_to_its_writer(string options, int seed)
    {
        Random random = new(seed);
        Image image = await Image.CreateAsync(options, random);
        Random late = new(seed);
        Task Hold(long offset, long length)
        {
            lock (late) return late.Next(3) == 0 ? Task.CompletedTask : Yield(late.Next(4));
        }
        for (int round = 0; round < 3; round++)
        {
            await using (Qcow2Node node = await image.OpenAsync())
            {
                image.File.HoldWrite = Hold;
                image.File.HoldRead = Hold;
                // Each worker has sectors of its own, all in the same clusters.
                List<Task> workers = [];
                for (int worker = 0; worker < 8; worker++) workers.Add(Work(node, image.Model, worker, seed + (round * 100) + worker));
                await Task.WhenAll(workers);
                image.File.HoldWrite = image.File.HoldRead = null;
                Assert.Equal(image.Model, await BlockNodeContract.Read(node, 0, LengthBytes));
            }
            Assert.Equal((0, 0), Qcow2Images.Examine(image.File.Content));
        }
    }

    private static async Task Work(Qcow2Node node, byte[] model, int worker, int seed)
    {
        Random random = new(seed);
        await Task.Yield();
        for (int i = 0; i < 60; i++)
        {
            long offset = ((random.Next(LengthBytes / 512 / 8) * 8) + worker) * 512L;
            if (random.Next(8) == 0) await node.FlushAsync(default);
            if (random.Next(6) == 0)
            {
                await node.WriteZeroesAsync(offset, 512, WriteFlags.MayUnmap, default);
                model.AsSpan((int)offset, 512).Clear();
                continue;
            }
            byte[] data = new byte[512];
            random.NextBytes(data);
            await BlockNodeContract.Write(node, offset, data);
            data.CopyTo(model, offset);
            Assert.Equal(data, await BlockNodeContract.Read(node, offset, 512));
        }
    }

    private static async Task Yield(int times)
    {
        for (int i = 0; i < times; i++) await Task.Yield();
    }

    /// <summary>An image with what it should hold.</summary>
    private sealed class Image
    {
        private readonly byte[]? _backing;
        private readonly MemoryFile? _data;
        private readonly string _openOptions;

        private Image(MemoryFile file, byte[]? backing, MemoryFile? data, string openOptions)
        {
            (File, _backing, _data, _openOptions) = (file, backing, data, openOptions);
            Model = new byte[LengthBytes];
            backing?.CopyTo(Model, 0);
        }

        internal MemoryFile File { get; }

        internal byte[] Model { get; }

        internal static async Task<Image> CreateAsync(string options, Random random)
        {
            string create = options, open = "";
            if (options.IndexOf(",l2-cache", StringComparison.Ordinal) is > 0 and int at) (create, open) = (options[..at], options[(at + 1)..]);
            byte[]? backing = options.Contains("backing_file", StringComparison.Ordinal) ? new byte[LengthBytes - 5000] : null;
            if (backing is not null) random.NextBytes(backing);
            MemoryFile? data = options.Contains("data_file", StringComparison.Ordinal) ? new() : null;
            MemoryFile file = await Qcow2Images.CreateAsync(LengthBytes, create, data is null ? null : new GivenFiles(data));
            return new Image(file, backing, data, open);
        }

        internal Task<Qcow2Node> OpenAsync(bool readOnly = false) =>
            Qcow2Images.OpenAsync(File, readOnly, new GivenReferences(_backing is null ? null : new MemoryFile(_backing), _data), _openOptions);

        internal async Task OperateAsync(Qcow2Node node, Random random)
        {
            int offset = random.Next(LengthBytes / 512) * 512;
            int length = Math.Min(LengthBytes - offset, random.Next(4) == 0 ? random.Next(1, 256) * 512 : random.Next(1, 8) * 512);
            switch (random.Next(12))
            {
                case 0:
                    await node.WriteZeroesAsync(offset, length, random.Next(2) == 0 ? WriteFlags.MayUnmap : WriteFlags.None, CancellationToken.None);
                    Model.AsSpan(offset, length).Clear();
                    break;
                case 1:
                    await DiscardAsync(node, offset, length);
                    break;
                case 2:
                    await node.FlushAsync(CancellationToken.None);
                    break;
                case 3 when node.CanCompress:
                    await WriteCompressedAsync(node, random, offset);
                    break;
                case 4 or 5:
                    Assert.Equal(Model[offset..(offset + length)], await BlockNodeContract.Read(node, offset, length, cuts: random.Next(1, 5)));
                    break;
                default:
                    byte[] data = new byte[length];
                    random.NextBytes(data);
                    await BlockNodeContract.Write(node, offset, data, cuts: random.Next(1, 5), random.Next(8) == 0 ? WriteFlags.Durable : WriteFlags.None);
                    data.CopyTo(Model, offset);
                    break;
            }
        }

        // Whole clusters read as zeros afterwards, except in old images over a backing image, where nothing happens.
        private async Task DiscardAsync(Qcow2Node node, int offset, int length)
        {
            await node.DiscardAsync(offset, length, CancellationToken.None);
            if (node.Metadata.Header.Version == 2 && _backing is not null) return;
            int cluster = node.ClusterBytes, first = (offset + cluster - 1) / cluster * cluster, last = offset + length == LengthBytes ? LengthBytes : (offset + length) / cluster * cluster;
            if (first < last) Model.AsSpan(first, last - first).Clear();
        }

        private async Task WriteCompressedAsync(Qcow2Node node, Random random, int offset)
        {
            offset = offset / node.ClusterBytes * node.ClusterBytes;
            byte[] data = new byte[Math.Min(node.ClusterBytes, LengthBytes - offset)];
            for (int i = 0; i < data.Length; i++) data[i] = (byte)(random.Next(8) == 0 ? random.Next(4) : i / 100);
            await BlockNodeContract.Write(node, offset, data, flags: WriteFlags.Compressed);
            data.CopyTo(Model, offset);
        }
    }
}
