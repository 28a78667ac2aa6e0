using System;
using System.Collections.Generic;
using System.Linq;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Formats;
using Hutch.Block.Graph;
using static Hutch.Block.Simulation.SectorTags;

namespace Hutch.Block.Simulation;

/// <summary>
/// A seeded sequence of requests to an image, with a model of what its disk must hold, on storage that is recorded, so that <see cref="StoryCheck"/> can
/// judge what a power loss at any moment leaves.
/// </summary>
internal sealed class ImageStory
{
    private const int MaxSnapshots = 4;

    private readonly StoryImage _image;
    private readonly Random _random;
    private readonly List<StoryChange> _changes = [];
    private readonly List<(int Order, long Completed)> _flushes = [(0, 0)];
    private readonly List<(string Name, int[] Tags)> _snapshots = [];
    private BlockNode _node;
    private int _requests;

    private ImageStory(StoryImage image, RecordingNode recording, BlockNode node, Random random)
    {
        _image = image;
        Recording = recording;
        _node = node;
        _random = random;
        Tags = (int[])image.Tags.Clone();
    }

    /// <summary>The image's file.</summary>
    internal RecordingNode Recording { get; }

    /// <summary>What the disk holds now.</summary>
    internal int[] Tags { get; }

    /// <summary>Changes of the disk in their order.</summary>
    internal IReadOnlyList<StoryChange> Changes => _changes;

    /// <summary>The flushes by their order among the requests, and the moments at which they had completed; the first is the beginning.</summary>
    internal IReadOnlyList<(int Order, long Completed)> Flushes => _flushes;

    /// <summary>The image that it began with.</summary>
    internal StoryImage Image => _image;

    /// <summary>Carries out <paramref name="requests"/> requests that follow from <paramref name="seed"/> and closes the image. Throws <see cref="StoryException"/> where it reads wrong.</summary>
    internal static async Task<ImageStory> TellAsync(StoryImage image, int seed, int requests)
    {
        RecordingNode recording = new(image.Content);
        ImageStory story = new(image, recording, await image.OpenAsync(recording).ConfigureAwait(false), new Random(seed));
        for (int i = 0; i < requests; i++) await story.StepAsync().ConfigureAwait(false);
        await story.CompareAsync("at the end").ConfigureAwait(false);
        await story._node.DisposeAsync().ConfigureAwait(false);
        await story.CompareSnapshotsAsync().ConfigureAwait(false);
        return story;
    }

    private ValueTask StepAsync()
    {
        _requests++;
        int count = _random.Next(1, 1 + Math.Min(Tags.Length, _random.Next(4) == 0 ? 3000 : 40)), first = _random.Next(0, Tags.Length - count + 1);
        return _random.Next(24) switch
        {
            0 or 1 or 2 => FlushAsync(),
            3 or 4 => ZeroAsync(first, count),
            5 or 6 => DiscardAsync(first, count),
            7 or 8 when _node is ImageNode { CanCompress: true } => CompressAsync(),
            9 when _image.HasSnapshots && _node is IImageSnapshots snapshots => SnapshotAsync(snapshots),
            10 when _requests % 3 == 0 => ReopenAsync(),
            _ => WriteAsync(first, count, WriteFlags.None),
        };
    }

    private async ValueTask FlushAsync()
    {
        await _node.FlushAsync(CancellationToken.None).ConfigureAwait(false);
        _flushes.Add((_requests, Recording.Moment));
    }

    private async ValueTask WriteAsync(int first, int count, WriteFlags flags)
    {
        int[] tags = new int[count];
        Array.Fill(tags, 1000 + _requests);
        long begun = Recording.Moment;
        await _node.WriteBytesAsync((long)first * SectorBytes, ToBytes(tags), flags, CancellationToken.None).ConfigureAwait(false);
        Note(begun, first, tags, isDiscard: false);
    }

    private async ValueTask ZeroAsync(int first, int count)
    {
        long begun = Recording.Moment;
        WriteFlags flags = _random.Next(2) == 0 ? WriteFlags.MayUnmap : WriteFlags.None;
        await _node.WriteZeroesAsync((long)first * SectorBytes, (long)count * SectorBytes, flags, CancellationToken.None).ConfigureAwait(false);
        Note(begun, first, new int[count], isDiscard: false);
    }

    // What was discarded is what it was, or zeros, or what lies below; reading tells which.
    private async ValueTask DiscardAsync(int first, int count)
    {
        if (!_node.Limits.CanDiscard) return;
        long begun = Recording.Moment;
        await _node.DiscardAsync((long)first * SectorBytes, (long)count * SectorBytes, CancellationToken.None).ConfigureAwait(false);
        int[] found = await ReadAsync(_node, first, count).ConfigureAwait(false);
        for (int i = 0; i < count; i++)
            if (found[i] != 0 && found[i] != Tags[first + i] && found[i] != _image.Tags[first + i]) throw Wrong("after a discard", first + i, found[i]);
        Note(begun, first, found, isDiscard: true);
    }

    private ValueTask CompressAsync()
    {
        int sectors = Math.Max(1, ((ImageNode)_node).ClusterBytes / SectorBytes), first = _random.Next((Tags.Length + sectors - 1) / sectors) * sectors;
        return WriteAsync(first, Math.Min(sectors, Tags.Length - first), WriteFlags.Compressed);
    }

    private async ValueTask SnapshotAsync(IImageSnapshots snapshots)
    {
        if (_snapshots.Count == 0 || (_snapshots.Count < MaxSnapshots && _random.Next(2) == 0))
        {
            string name = $"s{_requests}";
            await snapshots.CreateSnapshotAsync(new ImageSnapshot("", name, 0, _requests, 0, 0, -1, (long)Tags.Length * SectorBytes), CancellationToken.None).ConfigureAwait(false);
            _snapshots.Add((name, (int[])Tags.Clone()));
            return;
        }
        int chosen = _random.Next(_snapshots.Count);
        (string old, int[] tags) = _snapshots[chosen];
        if (_random.Next(2) == 0)
        {
            await snapshots.DeleteSnapshotAsync(old, CancellationToken.None).ConfigureAwait(false);
            _snapshots.RemoveAt(chosen);
            return;
        }
        long begun = Recording.Moment;
        await snapshots.ApplySnapshotAsync(old, CancellationToken.None).ConfigureAwait(false);
        Note(begun, 0, (int[])tags.Clone(), isDiscard: false);
    }

    private async ValueTask ReopenAsync()
    {
        await _node.DisposeAsync().ConfigureAwait(false);
        _node = await _image.OpenAsync(Recording).ConfigureAwait(false);
        await CompareAsync("after it was opened again").ConfigureAwait(false);
    }

    private void Note(long begun, int first, int[] after, bool isDiscard)
    {
        after.CopyTo(Tags, first);
        _changes.Add(new StoryChange(_requests, begun, first, after, isDiscard));
    }

    private async Task CompareAsync(string when)
    {
        int[] found = await ReadAsync(_node, 0, Tags.Length).ConfigureAwait(false);
        for (int sector = 0; sector < found.Length; sector++)
            if (found[sector] != Tags[sector]) throw Wrong(when, sector, found[sector]);
    }

    private async Task CompareSnapshotsAsync()
    {
        foreach ((string name, int[] tags) in _snapshots)
        {
            BlockNode node = await _image.OpenAsync(Recording).ConfigureAwait(false);
            await using (node.ConfigureAwait(false))
            {
                await ((IImageSnapshots)node).LoadSnapshotAsync(name, CancellationToken.None).ConfigureAwait(false);
                int[] found = await ReadAsync(node, 0, Tags.Length).ConfigureAwait(false);
                int wrong = Enumerable.Range(0, found.Length).FirstOrDefault(sector => found[sector] != tags[sector], -1);
                if (wrong >= 0) throw new StoryException($"Sector {wrong} of snapshot {name} has {found[wrong]} instead of {tags[wrong]}.");
            }
        }
    }

    private StoryException Wrong(string when, int sector, int found) => new($"Sector {sector} has {found} {when}, request {_requests}; {Tags[sector]} was written.");
}
