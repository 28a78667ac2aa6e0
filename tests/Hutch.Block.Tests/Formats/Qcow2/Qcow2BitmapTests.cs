using System;
using System.Buffers.Binary;
using System.Collections.Generic;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Formats;
using Hutch.Block.Formats.Qcow2;
using Hutch.Block.Graph;
using Hutch.Block.Simulation;
using Hutch.Host.Files;
using Xunit;

namespace Hutch.Block.Tests.Formats.Qcow2;

/// <summary>Persistent bitmaps are there when the image is opened again, and have what changed.</summary>
public sealed class Qcow2BitmapTests
{
    private const int LengthBytes = 8 << 20, Unit = 65536;

    [Theory]
    [InlineData("")]
    [InlineData("cluster_size=512")]
    [InlineData("cluster_size=4k,backing_file=b,backing_fmt=raw")]
    [InlineData("cluster_size=2M")]
    [InlineData("extended_l2=on,refcount_bits=1,lazy_refcounts=on")]
    public async Task What_changes_the_disk_is_recorded_over_openings(string options)
    {
        MemoryFile file = await Qcow2Images.CreateAsync(LengthBytes, options);
        bool[] model = new bool[LengthBytes / Unit];
        await using (Qcow2Node node = await OpenAsync(file))
        {
            await node.AddBitmapAsync("on", Unit, true, default);
            await node.AddBitmapAsync("off", Unit, false, default);
        }
        Random random = new(4);
        for (int i = 0; i < 6; i++)
        {
            await using (Qcow2Node node = await OpenAsync(file))
            {
                Assert.Equal([new("on", Unit, true, false), new ImageBitmap("off", Unit, false, false)], node.Bitmaps);
                await CheckAsync(node, "on", model);
                await CheckAsync(node, "off", new bool[model.Length]);
                if (i == 3) continue;
                await ChangeAsync(node, random, i, model);
                await CheckAsync(node, "on", model);
            }
            Assert.Equal((0, 0), Qcow2Images.Examine(file.Content));
        }
        Assert.Contains(true, model);
        Assert.Contains(false, model);
    }

    [Fact]
    public async Task Bitmaps_are_merged_cleared_enabled_and_removed()
    {
        MemoryFile file = await Qcow2Images.CreateAsync(LengthBytes);
        bool[] first = new bool[LengthBytes / Unit], none = new bool[LengthBytes / Unit];
        first.AsSpan(3, 2).Fill(true);
        await using (Qcow2Node node = await OpenAsync(file))
        {
            await node.AddBitmapAsync("a", 0, true, default);
            await node.AddBitmapAsync("fine", 4096, false, default);
            await node.AddBitmapAsync("gone", 1 << 20, false, default);
            await BlockNodeContract.Write(node, 3 * Unit, new byte[2 * Unit]);
            await node.StoreBitmapsAsync(default);
        }
        await using (Qcow2Node node = await OpenAsync(file))
        {
            await node.MergeBitmapAsync("fine", node, "a", default);
            await node.ClearBitmapAsync("a", default);
            await node.EnableBitmapAsync("a", false, default);
            await node.RemoveBitmapAsync("gone", default);
            await BlockNodeContract.Write(node, 0, new byte[512]);
        }
        await using (Qcow2Node node = await OpenAsync(file))
        {
            Assert.Equal([new("a", Unit, false, false), new ImageBitmap("fine", 4096, false, false)], node.Bitmaps);
            await CheckAsync(node, "a", none);
            await CheckAsync(node, "fine", first);
            await node.RemoveBitmapAsync("a", default);
            await node.RemoveBitmapAsync("fine", default);
            Assert.Null(node.Metadata.Header.Bitmaps);
            Assert.Equal(0UL, node.Metadata.Header.Autoclear);
        }
        Assert.Equal((0, 0), Qcow2Images.Examine(file.Content));
        Assert.Equal(file.LengthBytes, file.Content.Length);
    }

    [Fact]
    public async Task A_directory_that_is_last_ends_the_file()
    {
        MemoryFile file = await Qcow2Images.CreateAsync(LengthBytes, "cluster_size=2M");
        await using (Qcow2Node node = await OpenAsync(file)) await node.AddBitmapAsync("a", Unit, true, default);
        await using (Qcow2Node node = await OpenAsync(file)) Assert.Equal(file.LengthBytes, node.Metadata.Header.Bitmaps!.Directory.Offset + node.Metadata.Header.Bitmaps.Directory.LengthBytes);
        Assert.Equal((0, 0), Qcow2Images.Examine(file.Content));
    }

    [Fact]
    public async Task A_bitmap_is_in_use_on_disk_before_the_first_byte_changes_and_until_it_is_stored()
    {
        MemoryFile file = await Qcow2Images.CreateAsync(LengthBytes);
        await using (Qcow2Node node = await OpenAsync(file))
        {
            await node.AddBitmapAsync("on", 0, true, default);
            await node.AddBitmapAsync("off", 0, false, default);
            await BlockNodeContract.Write(node, 0, new byte[LengthBytes]);
        }
        byte[] before = file.Content;
        await using (Qcow2Node node = await OpenAsync(file))
        {
            _ = await node.GetDirtyExtentAsync("on", 0, default);
            _ = await BlockNodeContract.Read(node, 0, 512);
            Assert.Equal(before, file.Content);
            file.Events = [];
            await BlockNodeContract.Write(node, 0, Qcow2PitfallTests.Bytes(512, 1));
            Assert.Equal([(FileEventKind.Write, 4), (FileEventKind.Flush, 0), (FileEventKind.Write, 512)], file.Events.ConvertAll(static one => (one.Kind, (int)one.LengthBytes)));
            Assert.Equal([true, false], await InUseAsync(file));
            await node.StoreBitmapsAsync(default);
            Assert.Equal([false, false], await InUseAsync(file));
            await node.DiscardAsync(0, Unit, default);
            Assert.Equal([true, false], await InUseAsync(file));
            await node.ClearBitmapAsync("off", default);
            Assert.Equal([true, true], await InUseAsync(file));
        }
        Assert.Equal([false, false], await InUseAsync(file));
    }

    [Fact]
    public async Task A_bitmap_that_was_not_stored_can_only_be_removed()
    {
        MemoryFile file = await Qcow2Images.CreateAsync(LengthBytes);
        MemoryFile crashed;
        await using (Qcow2Node node = await OpenAsync(file))
        {
            await node.AddBitmapAsync("b", 0, true, default);
            await node.StoreBitmapsAsync(default);
            await BlockNodeContract.Write(node, 0, new byte[512]);
            await node.FlushAsync(default);
            crashed = new MemoryFile(file.Content);
        }
        await using (Qcow2Node node = await OpenAsync(crashed))
        {
            Assert.Equal([new ImageBitmap("b", Unit, true, true)], node.Bitmaps);
            await BlockNodeContract.Write(node, Unit, new byte[512]);
            foreach (Func<Task> use in (Func<Task>[])[
                () => node.ClearBitmapAsync("b", default).AsTask(), () => node.EnableBitmapAsync("b", false, default).AsTask(), () => node.MergeBitmapAsync("b", node, "b", default).AsTask(),
                () => node.GetDirtyExtentAsync("b", 0, default).AsTask(), () => node.ResizeAsync(2 * LengthBytes, Preallocation.Off, default).AsTask()])
                Assert.Equal("Bitmap 'b' is inconsistent and cannot be used", (await Assert.ThrowsAsync<ImageException>(use)).Message);
            ImageException there = await Assert.ThrowsAsync<ImageException>(async () => await node.AddBitmapAsync("b", 0, true, default));
            Assert.Equal("Bitmap already exists: b", there.Message);
        }
        Assert.Equal([true], await InUseAsync(crashed));
        await using (Qcow2Node node = await OpenAsync(crashed)) await node.RemoveBitmapAsync("b", default);
        Assert.Equal((0, 0), Qcow2Images.Examine(crashed.Content));
    }

    [Fact]
    public async Task A_longer_disk_has_changed_where_it_is_new_and_a_shorter_one_has_fewer_bits()
    {
        MemoryFile file = await Qcow2Images.CreateAsync(LengthBytes);
        await using (Qcow2Node node = await OpenAsync(file))
        {
            await node.AddBitmapAsync("b", 0, true, default);
            await node.AddBitmapAsync("off", 0, false, default);
            await BlockNodeContract.Write(node, Unit, new byte[512]);
            await node.ResizeAsync(LengthBytes + 512, Preallocation.Off, default);
            Assert.Equal([false, false], await InUseAsync(file));
        }
        bool[] model = new bool[(LengthBytes / Unit) + 1];
        model[1] = model[^1] = true;
        await using (Qcow2Node node = await OpenAsync(file))
        {
            await CheckAsync(node, "b", model);
            await CheckAsync(node, "off", new bool[model.Length]);
            await node.ResizeAsync(Unit, Preallocation.Off, default);
        }
        await using (Qcow2Node node = await OpenAsync(file)) await CheckAsync(node, "b", [false]);
        Assert.Equal((0, 0), Qcow2Images.Examine(file.Content));
    }

    [Theory]
    [InlineData("compat=0.10", "b", 0, "Can't make bitmap 'b' persistent in 'memory': Cannot store dirty bitmaps in qcow2 v2 files")]
    [InlineData("", "", 0, "Bitmap name cannot be empty")]
    [InlineData("", "b", 256, "Granularity must be power of 2 and at least 512")]
    [InlineData("", "b", 3072, "Granularity must be power of 2 and at least 512")]
    [InlineData("", "b", 1L << 32, "Granularity must be power of 2 and at least 512")]
    [InlineData("", "b", 512, "Can't make bitmap 'b' persistent in 'memory': Too much space will be occupied by the bitmap. Use larger granularity")]
    public async Task What_cannot_be_added_is_refused(string options, string name, long granularity, string message)
    {
        await using Qcow2Node node = await OpenAsync(await Qcow2Images.CreateAsync(1L << 50, $"cluster_size=2M{(options.Length == 0 ? "" : ",")}{options}"));
        ImageException refused = await Assert.ThrowsAsync<ImageException>(async () => await node.AddBitmapAsync(name, granularity, true, default));
        Assert.Equal(message, refused.Message);
        Assert.Empty(node.Bitmaps);
        refused = await Assert.ThrowsAsync<ImageException>(async () => await node.RemoveBitmapAsync("x", default));
        Assert.Equal("Dirty bitmap 'x' not found", refused.Message);
    }

    [Fact]
    public async Task Snapshots_are_taken_beside_bitmaps_and_not_gone_back_to()
    {
        MemoryFile file = await Qcow2Images.CreateAsync(LengthBytes);
        await using (Qcow2Node node = await OpenAsync(file))
        {
            await node.AddBitmapAsync("b", 0, true, default);
            await BlockNodeContract.Write(node, 0, new byte[512]);
            await node.CreateSnapshotAsync(Qcow2SnapshotTests.Info("s"), default);
            ImageException refused = await Assert.ThrowsAsync<ImageException>(async () => await node.ApplySnapshotAsync("s", default));
            Assert.Equal("Device has active dirty bitmaps", refused.Message);
        }
        await using (Qcow2Node node = await OpenAsync(file))
        {
            Assert.True((await node.GetDirtyExtentAsync("b", 0, default)).IsDirty);
            Assert.Equal(0, (await node.CheckAsync(ImageRepair.None, static _ => { }, default)).Leaks);
            await node.RemoveBitmapAsync("b", default);
            await node.ApplySnapshotAsync("s", default);
        }
    }

    [Fact]
    public async Task Bitmaps_that_another_program_did_not_keep_go()
    {
        MemoryFile file = await ImageWithBitsAsync();
        await file.WriteBytesAsync(88, new byte[8], WriteFlags.None, default);
        List<string> reports = [];
        await using (Qcow2Node node = await Qcow2Images.OpenAsync(file, report: reports.Add)) Assert.Empty(node.Bitmaps);
        Assert.Contains("all bitmaps are now considered inconsistent", Assert.Single(reports), StringComparison.Ordinal);
        await using (Qcow2Node node = await Qcow2Images.OpenAsync(file, report: reports.Add)) Assert.Empty(node.Bitmaps);
        Assert.Single(reports);
        (int corruptions, int leaks) = Qcow2Images.Examine(file.Content);
        Assert.Equal((0, 3), (corruptions, leaks));
    }

    // The table's offset; an entry that is not aligned; one with reserved bits.
    [Theory]
    [InlineData(0, 0, 1UL << 40)]
    [InlineData(1, 0, 0x1_0200UL)]
    [InlineData(1, 0, 0x100UL)]
    public async Task Bits_that_cannot_be_read_are_lost_and_not_the_disk(int where, long at, ulong word)
    {
        MemoryFile file = await ImageWithBitsAsync();
        long directory, table;
        await using (Qcow2Node node = await Qcow2Images.OpenAsync(file, readOnly: true))
        {
            directory = node.Metadata.Header.Bitmaps!.Directory.Offset;
            table = node.DirtyBitmaps.All[0].Stored!.TableOffset;
        }
        byte[] bytes = new byte[8];
        BinaryPrimitives.WriteUInt64BigEndian(bytes, word);
        await file.WriteBytesAsync((where == 0 ? directory : table) + at, bytes, WriteFlags.None, default);
        List<string> reports = [];
        await using (Qcow2Node node = await Qcow2Images.OpenAsync(file, report: reports.Add))
        {
            await BlockNodeContract.Write(node, 0, Qcow2PitfallTests.Bytes(512, 9));
            Assert.Equal(Qcow2PitfallTests.Bytes(512, 9), await BlockNodeContract.Read(node, 0, 512));
            Assert.True(Assert.Single(node.Bitmaps).IsInconsistent);
        }
        Assert.Contains("bitmap 'b' is inconsistent", Assert.Single(reports), StringComparison.Ordinal);
        Assert.Equal([true], await InUseAsync(file));
        await using (Qcow2Node node = await Qcow2Images.OpenAsync(file)) await node.RemoveBitmapAsync("b", default);
        Assert.Equal(0, Qcow2Images.Examine(file.Content).Corruptions);
    }

    [Fact]
    public async Task A_disk_whose_bitmaps_cannot_be_stored_is_closed_all_the_same()
    {
        MemoryFile file = await ImageWithBitsAsync();
        List<string> reports = [];
        long end = file.LengthBytes;
        await using (Qcow2Node node = await Qcow2Images.OpenAsync(file, report: reports.Add))
        {
            await BlockNodeContract.Write(node, 0, Qcow2PitfallTests.Bytes(512, 9));
            await node.FlushAsync(default);
            file.BeforeWrite = (_, length) =>
            {
                if (length == Unit) throw new BlockIoException("No space left.", BlockIoException.Enospc);
            };
        }
        Assert.Contains("are lost", Assert.Single(reports), StringComparison.Ordinal);
        file.BeforeWrite = null;
        Assert.Equal([true], await InUseAsync(file));
        Assert.Equal((0, 0), Qcow2Images.Examine(file.Content));
        await using Qcow2Node read = await Qcow2Images.OpenAsync(file, readOnly: true);
        Assert.Equal(Qcow2PitfallTests.Bytes(512, 9), await BlockNodeContract.Read(read, 0, 512));
    }

    [Fact]
    public async Task A_lost_refcount_structure_is_made_anew_around_bitmaps()
    {
        MemoryFile file = await ImageWithBitsAsync();
        await file.WriteBytesAsync(2 * Unit, new byte[Unit], WriteFlags.None, default);
        await using (Qcow2Node node = await Qcow2Images.OpenAsync(file, forCheck: true))
        {
            ImageCheckResult mended = await node.CheckAsync(ImageRepair.Leaks | ImageRepair.Errors, static _ => { }, default);
            Assert.Equal((0, 0), (mended.Corruptions, mended.Leaks));
        }
        Assert.Equal((0, 0), Qcow2Images.Examine(file.Content));
        await using Qcow2Node read = await Qcow2Images.OpenAsync(file);
        Assert.Equal((true, (long)Unit), await read.GetDirtyExtentAsync("b", 0, default));
        Assert.False(Assert.Single(read.Bitmaps).IsInconsistent);
    }

    [Fact]
    public async Task Recorded_writes_take_no_managed_memory()
    {
        MemoryNode storage = new(0);
        await Qcow2Format.Instance.CreateAsync(storage, new ImageCreateRequest { LengthBytes = 1 << 20, Options = Qcow2Images.Parse("") }, default);
        await using ImageNode node = await Qcow2Format.Instance.OpenAsync(storage, new ImageOpenOptions { ReadOnly = false }, default);
        await ((IImageBitmaps)node).AddBitmapAsync("b", 0, true, default);
        await BlockNodeContract.Write(node, 0, new byte[1 << 20]);
        using NativeBuffer buffer = new(4096);
        IoVector vector = new(new[] { buffer.Segment(0, 4096) });
        void Run()
        {
            for (int i = 0; i < 200; i++)
            {
                ValueTask write = node.WriteAsync(i * 4096, vector, WriteFlags.None, CancellationToken.None);
                Assert.True(write.IsCompletedSuccessfully);
            }
        }
        Assert.Equal(0, ManagedMemory.Taken(Run));
    }

    internal static async Task CheckAsync(IImageBitmaps image, string name, bool[] model)
    {
        bool[] found = new bool[model.Length];
        long length = ((BlockNode)image).LengthBytes;
        for (long at = 0; at < length;)
        {
            (bool isDirty, long run) = await image.GetDirtyExtentAsync(name, at, default);
            if (isDirty) found.AsSpan((int)(at / Unit), (int)((at + run + Unit - 1) / Unit) - (int)(at / Unit)).Fill(true);
            at += run;
        }
        Assert.Equal(model, found);
    }

    // An image with the enabled bitmap "b", whose first bit is set.
    private static async Task<MemoryFile> ImageWithBitsAsync()
    {
        MemoryFile file = await Qcow2Images.CreateAsync(LengthBytes);
        await using Qcow2Node node = await OpenAsync(file);
        await node.AddBitmapAsync("b", 0, true, default);
        await BlockNodeContract.Write(node, 0, Qcow2PitfallTests.Bytes(512, 7));
        return file;
    }

    private static Task<Qcow2Node> OpenAsync(MemoryFile file) => Qcow2Images.OpenAsync(file, references: new GivenReferences(new MemoryFile(new byte[LengthBytes])));

    private static async Task<List<bool>> InUseAsync(MemoryFile file)
    {
        await using Qcow2Node read = await Qcow2Images.OpenAsync(new MemoryFile(file.Content), readOnly: true);
        List<bool> all = [];
        foreach (ImageBitmap bitmap in read.Bitmaps) all.Add(bitmap.IsInconsistent);
        return all;
    }

    private static async Task ChangeAsync(Qcow2Node node, Random random, int round, bool[] model)
    {
        int cluster = node.ClusterBytes, offset = random.Next(LengthBytes / cluster) * cluster, length = Math.Min(LengthBytes - offset, random.Next(1, 5) * 40000 / 512 * 512);
        switch (round)
        {
            case 0:
                await node.WriteZeroesAsync(offset, length, WriteFlags.MayUnmap, default);
                break;
            case 1:
                await node.DiscardAsync(offset, length, default);
                break;
            case 2 when node.CanCompress:
                length = Math.Min(cluster, LengthBytes - offset);
                await BlockNodeContract.Write(node, offset, new byte[length], flags: WriteFlags.Compressed);
                break;
            default:
                await BlockNodeContract.Write(node, offset, Qcow2PitfallTests.Bytes(length, 3));
                break;
        }
        model.AsSpan(offset / Unit, ((offset + length - 1) / Unit) - (offset / Unit) + 1).Fill(true);
    }
}
