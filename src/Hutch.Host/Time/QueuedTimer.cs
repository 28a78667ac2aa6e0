using System;

namespace Hutch.Host.Time;

/// <summary>One timer of a <see cref="TimerQueue"/>. The queue's lock guards every field that changes.</summary>
internal sealed class QueuedTimer(TimerQueue queue, string name, Action expired) : IHostTimer
{
    /// <summary>Place in the heap; -1 while disarmed.</summary>
    internal int HeapIndex { get; set; } = -1;

    /// <summary>CLOCK_MONOTONIC nanoseconds.</summary>
    internal long Deadline { get; set; }

    /// <summary>Never armed again.</summary>
    internal bool IsDisposed { get; set; }

    public void Arm(long deadlineNanoseconds) => queue.Arm(this, deadlineNanoseconds);

    public void Disarm() => queue.Disarm(this, forever: false);

    public void Dispose() => queue.Disarm(this, forever: true);

    public override string ToString() => name;

    internal void Fire() => expired();
}
