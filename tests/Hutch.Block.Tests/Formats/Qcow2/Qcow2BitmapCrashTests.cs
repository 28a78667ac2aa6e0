using System;
using System.Collections.Generic;
using System.Threading.Tasks;
using Hutch.Block.Formats;
using Hutch.Block.Formats.Qcow2;
using Hutch.Block.Graph;
using Hutch.Block.Simulation;
using Xunit;

namespace Hutch.Block.Tests.Formats.Qcow2;

/// <summary>
/// Power loss while bitmaps are used: the image opens and has leaks at most, and a bitmap that says that it is consistent has all that changed since it was
/// cleared, or is what it was before.
/// </summary>
public sealed class Qcow2BitmapCrashTests
{
    private const int LengthBytes = 1 << 19, SectorBytes = 512, UnitBytes = 4096, States = 150;

    [Theory]
    [InlineData("cluster_size=512", 1)]
    [InlineData("cluster_size=4k,refcount_bits=64", 2)]
    [InlineData("", 3)]
    [InlineData("cluster_size=16k,extended_l2=on,backing_file=b,backing_fmt=raw", 4)]
    [InlineData("cluster_size=8k,lazy_refcounts=on", 5)]
    public async Task Bitmaps_that_are_consistent_have_all_that_changed(string options, int seed)
    {
        Random random = new(seed);
        MemoryNode image = await MakeAsync(options);
        RecordingNode recording = new(image);
        List<Change> changes = [];
        for (int opening = 0; opening < 4; opening++)
        {
            Qcow2Node node = await OpenAsync(recording);
            if (opening == 0)
            {
                await node.AddBitmapAsync("on", UnitBytes, true, default);
                await node.AddBitmapAsync("off", 512, false, default);
                await node.StoreBitmapsAsync(default);
            }
            for (int i = 0; i < 12; i++) await ChangeAsync(node, recording, changes, random, opening);
            if (opening == 2) await node.RemoveBitmapAsync("off", default);
            await node.DisposeAsync();
        }
        CrashReplay replay = new(recording);
        int consistent = 0, lost = 0;
        for (int i = 1; i <= States; i++)
        {
            replay.AdvanceTo(replay.LastMoment * i / States);
            MemoryNode state = replay.Materialise(random);
            byte[] content = new byte[state.LengthBytes];
            state.Read(0, content);
            (int corruptions, _) = Qcow2Images.Examine(content);
            Assert.True(corruptions == 0, $"{corruptions} corruptions at moment {replay.Moment} of {replay.LastMoment}");
            Qcow2Node node = await OpenAsync(state);
            foreach (ImageBitmap bitmap in node.Bitmaps)
            {
                if (bitmap.IsInconsistent) lost++;
                else consistent++;
                if (bitmap.IsInconsistent || bitmap.Name != "on") continue;
                byte[] disk = await BlockNodeContract.Read(node, 0, LengthBytes);
                for (int sector = 0; sector < LengthBytes / SectorBytes; sector++)
                {
                    // What the sector has is of the last write that reached the disk; where it is not as at the beginning, the bitmap must say so.
                    if (disk.AsSpan(sector * SectorBytes, SectorBytes).ContainsAnyExcept((byte)1))
                        Assert.True((await node.GetDirtyExtentAsync("on", sector * SectorBytes, default)).IsDirty, $"sector {sector} changed, at moment {replay.Moment} of {replay.LastMoment}");
                }
            }
            await node.DisposeAsync();
        }
        Assert.True(consistent > 20 && lost > 20, $"{consistent} and {lost}");
        await CheckEndAsync(replay, changes);
    }

    // The first and the last bitmap move what comes behind them in the header; a long name makes that several sectors.
    [Theory]
    [InlineData(10)]
    [InlineData(700)]
    public async Task A_torn_header_is_the_old_or_the_new_one(int nameBytes)
    {
        string name = new('b', nameBytes);
        Random random = new(nameBytes);
        MemoryNode image = await MakeAsync($"backing_file={name},backing_fmt=raw");
        RecordingNode recording = new(image);
        Qcow2Node node = await OpenAsync(recording);
        await node.AddBitmapAsync("a", 0, true, default);
        await node.StoreBitmapsAsync(default);
        await node.SetBackingReferenceAsync("other", "qcow2", default);
        await node.RemoveBitmapAsync("a", default);
        await node.SetBackingReferenceAsync(name, "raw", default);
        await node.AddBitmapAsync("a", 0, true, default);
        await node.DisposeAsync();
        CrashReplay replay = new(recording);
        HashSet<string?> names = [];
        for (long moment = 1; moment <= replay.LastMoment; moment++)
        {
            replay.AdvanceTo(moment);
            for (int i = 0; i < 8; i++)
            {
                Qcow2Node read = await OpenAsync(replay.Materialise(random), readOnly: true);
                ImageReference backing = read.BackingReference!;
                Assert.True((backing.Name, backing.Format) == (name, "raw") || (backing.Name, backing.Format) == ("other", "qcow2"), $"{backing.Name} at moment {moment}");
                Assert.InRange(read.Bitmaps.Count, 0, 1);
                Assert.Null(read.Metadata.Header.Warning);
                names.Add(backing.Name);
                await read.DisposeAsync();
            }
        }
        Assert.Equal(2, names.Count);
        byte[] header = new byte[1 << 16];
        replay.MaterialiseAll().Read(0, header);
        Assert.Equal(Qcow2HeaderWriter.Write(Qcow2HeaderReader.Parse(header, new ImageOpenOptions { ReadOnly = true })), header);
    }

    private static async Task CheckEndAsync(CrashReplay replay, List<Change> changes)
    {
        replay.AdvanceTo(replay.LastMoment);
        await using Qcow2Node node = await OpenAsync(replay.MaterialiseAll(), readOnly: true);
        Assert.False(Assert.Single(node.Bitmaps).IsInconsistent);
        foreach (Change change in changes)
            for (long at = change.Offset; at < change.Offset + change.LengthBytes; at += SectorBytes) Assert.True((await node.GetDirtyExtentAsync("on", at, default)).IsDirty);
    }

    private static async Task ChangeAsync(Qcow2Node node, RecordingNode recording, List<Change> changes, Random random, int opening)
    {
        int offset = random.Next(LengthBytes / SectorBytes) * SectorBytes, length = Math.Min(LengthBytes - offset, random.Next(1, 20) * SectorBytes);
        switch (random.Next(7))
        {
            case 0:
                await node.FlushAsync(default);
                return;
            case 1:
                await node.DiscardAsync(offset, length, default);
                break;
            case 2:
                await node.WriteZeroesAsync(offset, length, WriteFlags.MayUnmap, default);
                break;
            case 3 when opening < 2:
                await node.MergeBitmapAsync("off", node, "on", default);
                return;
            case 4 when opening == 1:
                await node.StoreBitmapsAsync(default);
                return;
            default:
                await BlockNodeContract.Write(node, offset, Qcow2PitfallTests.Bytes(length, 2));
                break;
        }
        changes.Add(new Change(offset, length));
        Assert.True(recording.Moment > 0);
    }

    // All of the disk is ones, which no change writes.
    private static async Task<MemoryNode> MakeAsync(string options)
    {
        MemoryNode image = new(0);
        await Qcow2Format.Instance.CreateAsync(image, new ImageCreateRequest { LengthBytes = LengthBytes, Options = Qcow2Images.Parse(options) }, default);
        Qcow2Node node = await OpenAsync(image);
        await BlockNodeContract.Write(node, 0, Qcow2PitfallTests.Bytes(LengthBytes, 1));
        await node.FlushAsync(default);
        await node.DisposeAsync();
        return image;
    }

    private static Task<Qcow2Node> OpenAsync(BlockNode file, bool readOnly = false) =>
        Qcow2Images.OpenAsync(file, readOnly, new GivenReferences(new MemoryFile(Qcow2PitfallTests.Bytes(LengthBytes, 1))));

    private sealed record Change(long Offset, long LengthBytes);
}
