using System;
using System.Buffers.Binary;
using System.Collections.Generic;
using System.Runtime.InteropServices;
using System.Threading.Tasks;
using Hutch.Block.Graph;
using Hutch.Block.Simulation;
using Xunit;

namespace Hutch.Block.Tests.Formats.Mapped;

/// <summary>
/// Writes to an image on recorded storage and looks at what power losses leave: the image opens, and each sector has what was last flushed, or what was
/// written to it since.
/// </summary>
internal static class CrashCheck
{
    private const int SectorBytes = 512, States = 40, Requests = 60;

    /// <summary>Carries it out.</summary>
    /// <param name="image">The image as it is before, durably.</param>
    /// <param name="lengthBytes">Length of its disk.</param>
    /// <param name="initialTag">What each sector is filled with before (see <see cref="Fill"/>); 0 for zeros.</param>
    /// <param name="open">Opens the image for writing and owns the node.</param>
    /// <param name="seed">Of requests and losses.</param>
    internal static async Task RunAsync(MemoryNode image, int lengthBytes, int initialTag, Func<BlockNode, Task<BlockNode>> open, int seed)
    {
        Random random = new(seed);
        RecordingNode recording = new(image);
        List<Change> changes = [];
        List<(long Begun, long Completed)> flushes = [(0, 0)];
        BlockNode node = await open(recording);
        for (int i = 0; i < Requests; i++)
        {
            long begun = recording.Moment;
            if (random.Next(6) == 0)
            {
                await node.FlushAsync(default);
                flushes.Add((begun, recording.Moment));
                continue;
            }
            int count = random.Next(1, random.Next(3) == 0 ? 3000 : 40), first = random.Next(0, (lengthBytes / SectorBytes) - count), tag = 1000 + i;
            bool zeroes = random.Next(8) == 0;
            if (zeroes) await node.WriteZeroesAsync((long)first * SectorBytes, (long)count * SectorBytes, WriteFlags.MayUnmap, default);
            else await BlockNodeContract.Write(node, (long)first * SectorBytes, Fill(count, tag));
            changes.Add(new Change(begun, recording.Moment, first, count, zeroes ? 0 : tag));
        }
        CrashReplay replay = new(recording);
        await node.DisposeAsync();
        for (int i = 1; i <= States; i++)
        {
            replay.AdvanceTo(replay.LastMoment * i / States);
            await CheckAsync(replay.Materialise(random), lengthBytes, initialTag, open, changes, flushes, replay.Moment);
        }
        await CheckAsync(replay.MaterialiseDurable(), lengthBytes, initialTag, open, changes, flushes, replay.Moment);
    }

    /// <summary>Sectors that say which write they are of.</summary>
    internal static byte[] Fill(int sectors, int tag)
    {
        byte[] data = new byte[sectors * SectorBytes];
        for (int i = 0; i < data.Length; i += 4) BinaryPrimitives.WriteInt32LittleEndian(data.AsSpan(i), tag);
        return data;
    }

    private static async Task CheckAsync(MemoryNode state, int lengthBytes, int initialTag, Func<BlockNode, Task<BlockNode>> open, List<Change> changes,
        List<(long Begun, long Completed)> flushes, long moment)
    {
        await using BlockNode node = await open(state);
        byte[] content = await BlockNodeContract.Read(node, 0, lengthBytes);
        long flushed = 0;
        foreach ((long begun, long completed) in flushes)
            if (completed <= moment) flushed = begun;
        int[] settled = new int[lengthBytes / SectorBytes];
        settled.AsSpan().Fill(initialTag);
        List<Change> pending = [];
        foreach (Change change in changes)
        {
            if (change.Begun > moment) break;
            if (change.Completed <= flushed) settled.AsSpan(change.First, change.Count).Fill(change.Tag);
            else pending.Add(change);
        }
        ReadOnlySpan<int> words = MemoryMarshal.Cast<byte, int>(content);
        for (int sector = 0; sector < settled.Length; sector++)
        {
            ReadOnlySpan<int> here = words.Slice(sector * SectorBytes / 4, SectorBytes / 4);
            int tag = here[0];
            bool isGood = tag == settled[sector] || pending.Exists(change => change.Tag == tag && sector >= change.First && sector < change.First + change.Count);
            Assert.True(isGood, $"Sector {sector} has {tag} at moment {moment}; it had {settled[sector]} when it was last flushed.");
            Assert.True(!here.ContainsAnyExcept(tag), $"Sector {sector} is mixed at moment {moment}.");
        }
    }

    private sealed record Change(long Begun, long Completed, int First, int Count, int Tag);
}
