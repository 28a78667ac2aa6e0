using System;
using System.Collections.Generic;
using System.Linq;
using System.Threading.Tasks;
using Hutch.Block.Graph;
using Hutch.Block.Simulation;
using Xunit;

namespace Hutch.Block.Tests.Simulation;

public sealed class RecordingNodeTests : IAsyncDisposable
{
    private const int Sector = CrashReplay.SectorBytes;

    private readonly RecordingNode _node = new(new MemoryNode(4 * Sector));

    [Fact]
    public async Task What_a_completed_flush_covers_is_there_in_every_state()
    {
        await Put(0, 1);
        await _node.FlushAsync(default);
        await Put(1, 2);
        CrashReplay replay = new(_node);
        replay.AdvanceTo(replay.LastMoment);
        Assert.Equal([2], replay.Pending.Select(change => (int)change.Data.Span[0]));
        Assert.Equal([1, 0], Sectors(replay.MaterialiseDurable(), 2));
        Assert.Equal([1, 2], Sectors(replay.MaterialiseAll(), 2));
    }

    [Fact]
    public async Task A_flush_covers_nothing_before_it_completed()
    {
        await Put(0, 1);
        await _node.FlushAsync(default);
        CrashReplay replay = new(_node);
        replay.AdvanceTo(replay.LastMoment - 1);
        Assert.Equal([0], Sectors(replay.MaterialiseDurable(), 1));
        replay.AdvanceTo(replay.LastMoment);
        Assert.Equal([1], Sectors(replay.MaterialiseDurable(), 1));
    }

    [Fact]
    public async Task A_flush_does_not_cover_a_write_that_completes_after_it_began()
    {
        TaskCompletionSource held = new();
        bool hold = true;
        _node.Delay = _ => hold ? new ValueTask(held.Task) : default;
        Task slow = Put(0, 1);
        hold = false;
        await _node.FlushAsync(default);
        held.SetResult();
        await slow;
        CrashReplay replay = new(_node);
        replay.AdvanceTo(replay.LastMoment);
        Assert.Equal([0], Sectors(replay.MaterialiseDurable(), 1));
        await _node.FlushAsync(default);
        replay = new CrashReplay(_node);
        replay.AdvanceTo(replay.LastMoment);
        Assert.Equal([1], Sectors(replay.MaterialiseDurable(), 1));
    }

    [Fact]
    public async Task A_durable_write_is_not_undone_by_an_earlier_one_that_lagged()
    {
        await Put(0, 1);
        await Put(0, 2, WriteFlags.Durable);
        CrashReplay replay = new(_node);
        replay.AdvanceTo(replay.LastMoment);
        Assert.Equal([2], Sectors(replay.MaterialiseDurable(), 1));
        Assert.Equal([2], Sectors(replay.MaterialiseAll(), 1));
    }

    [Fact]
    public async Task Changes_between_flushes_survive_each_for_itself()
    {
        await Put(0, 1);
        await Put(1, 1);
        CrashReplay replay = new(_node);
        replay.AdvanceTo(replay.LastMoment);
        Random random = new(5);
        HashSet<string> seen = [];
        for (int i = 0; i < 200; i++) _ = seen.Add(string.Join(' ', Sectors(replay.Materialise(random), 2)));
        Assert.Equal(["0 0", "0 1", "1 0", "1 1"], seen.Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task A_write_is_torn_between_sectors_only()
    {
        await BlockNodeContract.Write(_node, 0, Enumerable.Repeat((byte)1, 4 * Sector).ToArray());
        CrashReplay replay = new(_node);
        replay.AdvanceTo(replay.LastMoment);
        Random random = new(5);
        HashSet<string> seen = [];
        for (int i = 0; i < 500; i++)
        {
            MemoryNode state = replay.Materialise(_ => CrashSurvival.Torn, random);
            byte[] all = await BlockNodeContract.Read(state, 0, 4 * Sector);
            for (int sector = 0; sector < 4; sector++) Assert.Single(all[(sector * Sector)..((sector + 1) * Sector)].Distinct());
            _ = seen.Add(string.Join(' ', Sectors(state, 4)));
        }
        Assert.Equal(16, seen.Count);
    }

    [Fact]
    public async Task A_change_of_length_may_be_lost_and_a_later_write_not()
    {
        await _node.ResizeAsync(100 * Sector, Preallocation.Off, default);
        await Put(9, 3);
        CrashReplay replay = new(_node);
        replay.AdvanceTo(replay.LastMoment);
        MemoryNode state = replay.Materialise(change => change.Kind == StorageEventKind.Resize ? CrashSurvival.Lost : CrashSurvival.Whole, new Random(0));
        Assert.Equal(10 * Sector, state.LengthBytes);
        Assert.Equal(100 * Sector, replay.MaterialiseAll().LengthBytes);
        Assert.Equal(4 * Sector, replay.MaterialiseDurable().LengthBytes);
    }

    public ValueTask DisposeAsync() => _node.DisposeAsync();

    private Task Put(int sector, byte value, WriteFlags flags = WriteFlags.None) =>
        BlockNodeContract.Write(_node, sector * Sector, Enumerable.Repeat(value, Sector).ToArray(), flags: flags);

    private static int[] Sectors(MemoryNode node, int count)
    {
        int[] values = new int[count];
        byte[] sector = new byte[Sector];
        for (int i = 0; i < count; i++)
        {
            node.Read(i * Sector, sector);
            values[i] = sector[0];
        }
        return values;
    }
}
