using System.Collections.Generic;
using System.Threading.Tasks;

namespace Hutch.Block.Formats.Qcow2;

/// <summary>An allocating write between taking its clusters and linking them: nobody else may change the mapping of its part of the disk.</summary>
internal sealed class AllocationInFlight(long firstCluster, long count)
{
    private TaskCompletionSource? _ended;
    private bool _isEnded;

    /// <summary>First guest cluster.</summary>
    internal long FirstCluster { get; } = firstCluster;

    /// <summary>Number of guest clusters.</summary>
    internal long Count { get; } = count;

    /// <summary>Completes when the write has linked its clusters or failed. Under the owner's lock.</summary>
    internal Task Ended => _isEnded ? Task.CompletedTask : (_ended ??= new(TaskCreationOptions.RunContinuationsAsynchronously)).Task;

    /// <summary>Wakes who waits. Under the owner's lock.</summary>
    internal void End()
    {
        _isEnded = true;
        _ended?.TrySetResult();
    }
}

/// <summary>All of them. Under the owner's lock.</summary>
internal sealed class AllocationsInFlight
{
    private readonly List<AllocationInFlight> _all = [];

    /// <summary>Finds the one that overlaps guest clusters first; null where none does.</summary>
    internal AllocationInFlight? Find(long firstCluster, long count)
    {
        AllocationInFlight? found = null;
        foreach (AllocationInFlight one in _all)
        {
            if (one.FirstCluster < firstCluster + count && firstCluster < one.FirstCluster + one.Count && (found is null || one.FirstCluster < found.FirstCluster))
                found = one;
        }
        return found;
    }

    /// <summary>Adds one, which overlaps none.</summary>
    internal AllocationInFlight Add(long firstCluster, long count)
    {
        AllocationInFlight one = new(firstCluster, count);
        _all.Add(one);
        return one;
    }

    /// <summary>Removes one and wakes who waits for it.</summary>
    internal void End(AllocationInFlight one)
    {
        int at = _all.IndexOf(one);
        _all[at] = _all[^1];
        _all.RemoveAt(_all.Count - 1);
        one.End();
    }
}
