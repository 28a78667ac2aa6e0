using System.Collections.Generic;

namespace Hutch.Block.Formats.Qcow2;

/// <summary>Why clusters were given up; decides whether their space goes back to the storage.</summary>
internal enum FreeReason
{
    /// <summary>The guest discarded them.</summary>
    Discard,

    /// <summary>A snapshot was given up.</summary>
    Snapshot,

    /// <summary>Anything else: they were replaced.</summary>
    Replaced,
}

/// <summary>Host clusters that lost one reference.</summary>
/// <param name="First">First cluster.</param>
/// <param name="Count">Number of clusters.</param>
/// <param name="Reason">Why.</param>
internal readonly record struct PendingFree(long First, long Count, FreeReason Reason);

/// <summary>
/// Clusters that metadata in memory does not name any more, while metadata on disk may. They keep their refcount, so that nobody gets them, until the
/// metadata is durable, requests that may use them have ended, and the storage has taken their space back. Under the owner's lock.
/// <code>live -> pending free -> (commit) -> waiting for requests -> discarding -> free</code>
/// </summary>
internal sealed class PendingFrees
{
    private List<PendingFree> _frees = [];

    /// <summary>How many clusters wait.</summary>
    internal long Clusters { get; private set; }

    /// <summary>Adds clusters.</summary>
    internal void Add(long first, long count, FreeReason reason)
    {
        if (count == 0) return;
        Clusters += count;
        if (_frees.Count != 0 && _frees[^1] is var last && last.Reason == reason && last.First + last.Count == first)
            _frees[^1] = last with { Count = last.Count + count };
        else
            _frees.Add(new(first, count, reason));
    }

    /// <summary>Hands all to a commit.</summary>
    internal List<PendingFree> Take()
    {
        List<PendingFree> taken = _frees;
        _frees = [];
        Clusters = 0;
        return taken;
    }

    /// <summary>Takes back what <see cref="Take"/> gave to a commit that failed.</summary>
    internal void Restore(List<PendingFree> taken)
    {
        foreach (PendingFree free in taken) Add(free.First, free.Count, free.Reason);
    }
}
