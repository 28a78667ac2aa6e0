using System;

namespace Hutch.Host.Time;

/// <summary>A binary min-heap of timers that know their own place, so that re-arming and disarming are O(log n). Not synchronised.</summary>
internal sealed class DeadlineHeap
{
    private QueuedTimer[] _items = new QueuedTimer[16];

    /// <summary>Number of armed timers.</summary>
    internal int Count { get; private set; }

    /// <summary>The earliest timer, or null.</summary>
    internal QueuedTimer? First => Count == 0 ? null : _items[0];

    /// <summary>Inserts the timer or moves it to its new deadline.</summary>
    internal void Set(QueuedTimer timer, long deadline)
    {
        if (timer.HeapIndex < 0)
        {
            if (Count == _items.Length) Array.Resize(ref _items, Count * 2);
            timer.HeapIndex = Count++;
        }
        timer.Deadline = deadline;
        Down(timer, Up(timer, timer.HeapIndex));
    }

    /// <summary>Takes the timer out if it is in.</summary>
    internal void Remove(QueuedTimer timer)
    {
        int index = timer.HeapIndex;
        if (index < 0) return;
        timer.HeapIndex = -1;
        QueuedTimer last = _items[--Count];
        _items[Count] = null!;
        if (last != timer) Down(last, Up(last, index));
    }

    private int Up(QueuedTimer timer, int index)
    {
        while (index > 0)
        {
            int parent = (index - 1) >> 1;
            if (_items[parent].Deadline <= timer.Deadline) break;
            Put(_items[parent], index);
            index = parent;
        }
        Put(timer, index);
        return index;
    }

    private void Down(QueuedTimer timer, int index)
    {
        while (true)
        {
            int child = (index * 2) + 1;
            if (child >= Count) break;
            if (child + 1 < Count && _items[child + 1].Deadline < _items[child].Deadline) child++;
            if (timer.Deadline <= _items[child].Deadline) break;
            Put(_items[child], index);
            index = child;
        }
        Put(timer, index);
    }

    private void Put(QueuedTimer timer, int index)
    {
        _items[index] = timer;
        timer.HeapIndex = index;
    }
}
