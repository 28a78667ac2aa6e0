using System;
using System.Collections.Generic;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Formats;
using Hutch.Block.Graph;

namespace Hutch.Block.Simulation;

/// <summary>
/// Judges what power losses leave of a story's image: it opens, its metadata has leaks at most, and each sector has what was last flushed, or what was
/// written to it since. Moments are visited in rising order.
/// </summary>
internal sealed class StoryCheck(ImageStory story, int seed)
{
    private readonly CrashReplay _replay = new(story.Recording);
    private readonly Random _random = new(seed);

    /// <summary>The last moment of the story.</summary>
    internal long LastMoment => _replay.LastMoment;

    /// <summary>States that were judged.</summary>
    internal int States { get; private set; }

    /// <summary>Opens what was left, for writing, as the next user would.</summary>
    internal Func<BlockNode, Task<BlockNode>> OpenAsync { get; init; } = story.Image.OpenAsync;

    /// <summary>Called with each state after it was found good.</summary>
    internal Func<MemoryNode, Task>? Good { get; init; }

    /// <summary>
    /// Judges states that a loss at <paramref name="moment"/> may leave: one in which each change that was not durable fared at random, and if
    /// <paramref name="extremes"/> those with none and with all of them. Throws <see cref="StoryException"/> for a bad one.
    /// </summary>
    internal async Task JudgeAsync(long moment, bool extremes)
    {
        _replay.AdvanceTo(moment);
        int[] settled = Settle(out List<StoryChange> pending);
        await JudgeAsync(_replay.Materialise(_random), "some of what was pending", settled, pending).ConfigureAwait(false);
        if (!extremes) return;
        await JudgeAsync(_replay.MaterialiseDurable(), "nothing of what was pending", settled, pending).ConfigureAwait(false);
        await JudgeAsync(_replay.MaterialiseAll(), "all that was pending", settled, pending).ConfigureAwait(false);
    }

    private int[] Settle(out List<StoryChange> pending)
    {
        int flushed = 0;
        foreach ((int order, long completed) in story.Flushes)
            if (completed <= _replay.Moment) flushed = order;
        int[] settled = (int[])story.Image.Tags.Clone();
        pending = [];
        foreach (StoryChange change in story.Changes)
        {
            if (change.Begun > _replay.Moment) break;
            if (change.Order < flushed) change.After.CopyTo(settled, change.First);
            else pending.Add(change);
        }
        return settled;
    }

    private async Task JudgeAsync(MemoryNode state, string left, int[] settled, List<StoryChange> pending)
    {
        States++;
        string where = $"at moment {_replay.Moment} of {LastMoment} with {left}";
        try
        {
            MemoryNode copy = state.Copy();
            BlockNode node = await OpenAsync(copy).ConfigureAwait(false);
            await using (node.ConfigureAwait(false))
            {
                await CompareAsync(node, settled, pending, where).ConfigureAwait(false);
                if (story.Image.IsOrdered) await ExamineAsync(node, where).ConfigureAwait(false);
            }
        }
        catch (Exception e) when (e is ImageException or BlockIoException)
        {
            throw new StoryException($"The image cannot be used {where}: {e.Message}", e);
        }
        if (Good is { } good) await good(state).ConfigureAwait(false);
    }

    private async Task CompareAsync(BlockNode node, int[] settled, List<StoryChange> pending, string where)
    {
        int[] found = await SectorTags.ReadAsync(node, 0, settled.Length).ConfigureAwait(false);
        for (int sector = 0; sector < found.Length; sector++)
        {
            int tag = found[sector];
            if (tag == settled[sector] || pending.Exists(change => change.Allows(sector, tag, story.Image.Tags[sector]))) continue;
            throw new StoryException($"Sector {sector} has {(tag == SectorTags.Mixed ? "a mixture" : tag)} {where}; it had {settled[sector]} when it was last flushed.");
        }
    }

    private static async Task ExamineAsync(BlockNode node, string where)
    {
        if (node is not IImageCheck check) return;
        List<string> said = [];
        ImageCheckResult result = await check.CheckAsync(ImageRepair.None, said.Add, CancellationToken.None).ConfigureAwait(false);
        if (result.Corruptions + result.CheckErrors != 0) throw new StoryException($"{result.Corruptions} corruptions {where}: {string.Join("; ", said)}");
    }
}
