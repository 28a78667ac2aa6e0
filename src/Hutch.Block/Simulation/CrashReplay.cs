using System;
using System.Collections.Generic;

namespace Hutch.Block.Simulation;

/// <summary>How much of a change that was not durable a power loss left.</summary>
internal enum CrashSurvival
{
    /// <summary>Nothing.</summary>
    Lost,

    /// <summary>Some of its sectors, none in part.</summary>
    Torn,

    /// <summary>All.</summary>
    Whole,
}

/// <summary>
/// What a power loss may leave. At a moment, what a completed flush covers is on the storage, and so is a completed durable write; everything else that was
/// asked by then, completed or not, is there, torn at sectors, or missing, each for itself. What is there of two changes of one sector is the later one.
/// <para>Moments are visited in rising order (<see cref="AdvanceTo"/>); at each, any number of contents can be made.</para>
/// </summary>
internal sealed class CrashReplay
{
    /// <summary>Bytes that storage writes whole or not at all.</summary>
    internal const int SectorBytes = 512;

    private readonly StorageEvent[] _events;
    private readonly MemoryNode _durable;
    private readonly List<StorageEvent> _open = [];
    private readonly HashSet<StorageEvent> _forced = [];

    // Events in the order of their completion; those in flight at the end come last.
    private readonly StorageEvent[] _completions;
    private int _begun, _completed;

    /// <summary>Begins before the first moment of a recording; what is recorded later is not seen.</summary>
    internal CrashReplay(RecordingNode recording)
    {
        _durable = recording.Initial.Copy();
        LastMoment = recording.Moment;
        _events = recording.TakeEvents();
        _completions = [.. _events];
        Array.Sort(_completions, static (left, right) => left.CompletedAt.CompareTo(right.CompletedAt));
    }

    /// <summary>The last moment of the recording.</summary>
    internal long LastMoment { get; }

    /// <summary>The present moment.</summary>
    internal long Moment { get; private set; }

    /// <summary>Changes that may be there or not, in the order in which they began.</summary>
    internal IReadOnlyList<StorageEvent> Pending => _open.FindAll(change => !_forced.Contains(change));

    /// <summary>Goes on to a later moment.</summary>
    internal void AdvanceTo(long moment)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(moment, Moment);
        Moment = moment;
        for (; _begun < _events.Length && _events[_begun].BegunAt <= moment; _begun++)
            if (_events[_begun].Kind != StorageEventKind.Flush) _open.Add(_events[_begun]);
        for (; _completed < _completions.Length && _completions[_completed].CompletedAt <= moment; _completed++)
        {
            StorageEvent completed = _completions[_completed];
            if (completed.Kind == StorageEventKind.Flush)
            {
                foreach (StorageEvent change in _open)
                    if (change.CompletedAt < completed.BegunAt) _ = _forced.Add(change);
            }
            else if (completed.IsDurable) _ = _forced.Add(completed);
        }
        // Only a durable beginning can be merged: a later durable change of the same sectors must stay later.
        int settled = 0;
        for (; settled < _open.Count && _forced.Remove(_open[settled]); settled++) RecordingNode.Apply(_open[settled], _durable);
        _open.RemoveRange(0, settled);
    }

    /// <summary>Makes the content with what <paramref name="survival"/> says of each pending change; <paramref name="random"/> tears them.</summary>
    internal MemoryNode Materialise(Func<StorageEvent, CrashSurvival> survival, Random random)
    {
        MemoryNode content = _durable.Copy();
        foreach (StorageEvent change in _open)
        {
            CrashSurvival left = _forced.Contains(change) ? CrashSurvival.Whole : survival(change);
            if (left == CrashSurvival.Whole) RecordingNode.Apply(change, content);
            else if (left == CrashSurvival.Torn) Tear(change, content, random);
        }
        return content;
    }

    /// <summary>Makes a content in which each pending change fared at random.</summary>
    internal MemoryNode Materialise(Random random) => Materialise(_ => (CrashSurvival)random.Next(3), random);

    /// <summary>Makes the content with everything that was asked.</summary>
    internal MemoryNode MaterialiseAll() => Materialise(static _ => CrashSurvival.Whole, new Random(0));

    /// <summary>Makes the content with nothing but what is durable.</summary>
    internal MemoryNode MaterialiseDurable() => Materialise(static _ => CrashSurvival.Lost, new Random(0));

    private static void Tear(StorageEvent change, MemoryNode content, Random random)
    {
        if (change.Kind == StorageEventKind.Resize)
        {
            if (random.Next(2) == 0) RecordingNode.Apply(change, content);
            return;
        }
        // A large range of zeros is torn in few pieces: its states differ little.
        long piece = Math.Max(SectorBytes, change.LengthBytes / 64 / SectorBytes * SectorBytes);
        long end = change.Offset + change.LengthBytes;
        for (long at = change.Offset; at < end;)
        {
            long next = Math.Min(end, (at / piece * piece) + piece);
            if (random.Next(2) == 0)
            {
                bool data = change.Kind == StorageEventKind.Write;
                RecordingNode.Apply(new StorageEvent
                {
                    Kind = change.Kind,
                    Offset = at,
                    LengthBytes = next - at,
                    Data = data ? change.Data.Slice((int)(at - change.Offset), (int)(next - at)) : default,
                    BegunAt = change.BegunAt,
                }, content);
            }
            at = next;
        }
    }
}
