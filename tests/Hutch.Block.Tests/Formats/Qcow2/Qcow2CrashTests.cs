using System;
using System.Collections.Generic;
using System.Threading.Tasks;
using Hutch.Block.Formats.Qcow2;
using Hutch.Block.Graph;
using Xunit;

namespace Hutch.Block.Tests.Formats.Qcow2;

/// <summary>
/// Power loss: the storage keeps everything before the last flush, and of what came later any part. Each state must be an image with leaks at most,
/// in which all sectors that were flushed and not touched since are there.
/// </summary>
public sealed class Qcow2CrashTests
{
    private const int LengthBytes = 1 << 18, SectorBytes = 512;

    [Theory]
    [InlineData("cluster_size=512", 1)]
    [InlineData("cluster_size=512,refcount_bits=64", 2)]
    [InlineData("cluster_size=4k", 3)]
    [InlineData("cluster_size=16k,extended_l2=on", 4)]
    [InlineData("cluster_size=1k,compat=0.10", 5)]
    [InlineData("cluster_size=1k,backing_file=b,backing_fmt=raw", 6)]
    public async Task Power_loss_at_any_write_leaves_leaks_at_most_and_all_that_was_flushed(string options, int seed)
    {
        Random random = new(seed);
        byte[]? backing = options.Contains("backing", StringComparison.Ordinal) ? new byte[LengthBytes] : null;
        if (backing is not null) random.NextBytes(backing);
        MemoryFile file = await Qcow2Images.CreateAsync(LengthBytes, options);
        byte[] start = file.Content;
        file.Events = [];
        List<(int Events, byte[]? Flushed, int Offset, int Length)> story = [];
        byte[] model = backing is null ? new byte[LengthBytes] : (byte[])backing.Clone();
        await using (Qcow2Node node = await Qcow2Images.OpenAsync(file, references: new GivenReferences(backing is null ? null : new MemoryFile(backing))))
        {
            for (int i = 0; i < 80; i++)
            {
                int offset = random.Next(LengthBytes / SectorBytes) * SectorBytes, length = Math.Min(LengthBytes - offset, random.Next(1, 40) * SectorBytes);
                story.Add((file.Events.Count, null, offset, length));
                switch (random.Next(6))
                {
                    case 0:
                        await node.DiscardAsync(offset, length, default);
                        break;
                    case 1:
                        await node.WriteZeroesAsync(offset, length, WriteFlags.MayUnmap, default);
                        break;
                    case 2:
                        await node.FlushAsync(default);
                        story.Add((file.Events.Count, await BlockNodeContract.Read(node, 0, LengthBytes), 0, 0));
                        break;
                    default:
                        byte[] data = new byte[length];
                        random.NextBytes(data);
                        await BlockNodeContract.Write(node, offset, data);
                        break;
                }
            }
        }
        for (int trial = 0; trial < 250; trial++) await CheckCrashAsync(start, file.Events, story, model, backing, random.Next(file.Events.Count + 1), random);
    }

    [Fact]
    public async Task Power_loss_while_the_refcount_table_moves_leaves_leaks_at_most()
    {
        const int length = 5 << 19;
        Random random = new(9);
        MemoryFile file = await Qcow2Images.CreateAsync(length, "cluster_size=512,refcount_bits=64");
        byte[] start = file.Content;
        file.Events = [];
        await using (Qcow2Node node = await Qcow2Images.OpenAsync(file))
        {
            for (int at = 0; at < length; at += 1 << 16)
            {
                await BlockNodeContract.Write(node, at, new byte[1 << 16]);
                await node.FlushAsync(default);
            }
        }
        int moved = file.Events.FindIndex(static one => one.Kind == FileEventKind.Write && one.Offset == 48 && one.LengthBytes == 12);
        Assert.True(moved > 0);
        for (int trial = 0; trial < 120; trial++)
        {
            int crash = Math.Min(file.Events.Count, moved - 30 + random.Next(60));
            MemoryFile disk = await ReplayAsync(start, file.Events, crash, random);
            Assert.Equal(0, Qcow2Images.Examine(disk.Content).Corruptions);
        }
    }

    private static async Task CheckCrashAsync(byte[] start, List<FileEvent> events, List<(int Events, byte[]? Flushed, int Offset, int Length)> story, byte[] initial, byte[]? backing, int crash, Random random)
    {
        MemoryFile disk = await ReplayAsync(start, events, crash, random);
        byte[] content = disk.Content;
        (int corruptions, _) = Qcow2Images.Examine(content);
        Assert.True(corruptions == 0, $"{corruptions} corruptions after a crash at event {crash} of {events.Count}");
        byte[] expected = initial;
        bool[] touched = new bool[LengthBytes / SectorBytes];
        foreach ((int at, byte[]? flushed, int offset, int length) in story)
        {
            if (at > crash) break;
            if (flushed is not null)
            {
                expected = flushed;
                Array.Clear(touched);
            }
            for (int sector = offset / SectorBytes; sector < (offset + length) / SectorBytes; sector++) touched[sector] = true;
        }
        await using Qcow2Node node = await Qcow2Images.OpenAsync(new MemoryFile(content), readOnly: true, new GivenReferences(backing is null ? null : new MemoryFile(backing)));
        byte[] found = await BlockNodeContract.Read(node, 0, LengthBytes);
        for (int sector = 0; sector < touched.Length; sector++)
        {
            if (touched[sector]) continue;
            Assert.True(expected.AsSpan(sector * SectorBytes, SectorBytes).SequenceEqual(found.AsSpan(sector * SectorBytes, SectorBytes)),
                $"sector {sector} is lost after a crash at event {crash} of {events.Count}");
        }
    }

    // Everything up to the last flush before the crash; of the events behind it some, each whole or torn at a sector, in a random order.
    private static async Task<MemoryFile> ReplayAsync(byte[] start, List<FileEvent> events, int crash, Random random)
    {
        MemoryFile disk = new((byte[])start.Clone());
        int durable = crash;
        while (durable > 0 && events[durable - 1].Kind != FileEventKind.Flush) durable--;
        for (int i = 0; i < durable; i++) await ApplyAsync(disk, events[i], events[i].LengthBytes);
        List<FileEvent> later = events.GetRange(durable, crash - durable);
        bool inOrder = random.Next(2) == 0;
        if (!inOrder) Shuffle(later, random);
        foreach (FileEvent one in later)
        {
            if (!inOrder && random.Next(2) == 0) continue;
            // Eight bytes within a sector are never torn.
            bool torn = !inOrder && one.LengthBytes > SectorBytes && random.Next(4) == 0;
            await ApplyAsync(disk, one, torn ? random.Next((int)(one.LengthBytes / SectorBytes)) * SectorBytes : one.LengthBytes);
        }
        return disk;
    }

    private static void Shuffle(List<FileEvent> events, Random random)
    {
        for (int i = events.Count - 1; i > 0; i--)
        {
            int j = random.Next(i + 1);
            (events[i], events[j]) = (events[j], events[i]);
        }
    }

    private static async Task ApplyAsync(MemoryFile disk, FileEvent one, long length)
    {
        switch (one.Kind)
        {
            case FileEventKind.Write:
                await disk.WriteBytesAsync(one.Offset, one.Data.AsMemory(0, (int)length), WriteFlags.None, default);
                break;
            case FileEventKind.Zero:
                await disk.WriteZeroesAsync(one.Offset, length, WriteFlags.None, default);
                break;
            case FileEventKind.Discard:
                await disk.DiscardAsync(one.Offset, length, default);
                break;
            case FileEventKind.Resize:
                // A length and the data behind it reach the disk together or not at all; never a cut below what was written.
                await disk.ResizeAsync(Math.Max(one.Offset, disk.LengthBytes), Preallocation.Off, default);
                break;
        }
    }
}
