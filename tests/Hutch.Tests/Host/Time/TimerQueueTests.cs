using System;
using System.Collections.Concurrent;
using System.Threading;
using Hutch.Host.Time;
using Xunit;

namespace Hutch.Tests.Host.Time;

public sealed class TimerQueueTests
{
    private static readonly MonotonicClock Clock = new();

    [Fact]
    public void Timers_fire_in_the_order_of_their_deadlines()
    {
        using TimerQueue queue = new(Clock);
        using BlockingCollection<int> fired = [];
        long now = Clock.MonotonicNanoseconds;
        IHostTimer last = queue.CreateTimer("last", () => fired.Add(3));
        IHostTimer first = queue.CreateTimer("first", () => fired.Add(1));
        IHostTimer middle = queue.CreateTimer("middle", () => fired.Add(2));
        last.Arm(now + 30_000_000);
        first.Arm(now + 10_000_000);
        middle.Arm(now + 20_000_000);
        Assert.Equal([1, 2, 3], [fired.Take(), fired.Take(), fired.Take()]);
    }

    [Fact]
    public void A_timer_never_fires_before_its_deadline()
    {
        using TimerQueue queue = new(Clock);
        using BlockingCollection<long> fired = [];
        long deadline = Clock.MonotonicNanoseconds + 5_000_000;
        queue.CreateTimer("once", () => fired.Add(Clock.MonotonicNanoseconds)).Arm(deadline);
        Assert.True(fired.Take() >= deadline);
    }

    [Fact]
    public void Arming_again_replaces_the_deadline_in_both_directions()
    {
        using TimerQueue queue = new(Clock);
        using SemaphoreSlim fired = new(0);
        IHostTimer timer = queue.CreateTimer("moved", () => fired.Release());
        timer.Arm(long.MaxValue - 1);
        timer.Arm(0);
        Assert.True(fired.Wait(TimeSpan.FromSeconds(10)));
        timer.Arm(Clock.MonotonicNanoseconds + 1_000_000);
        timer.Arm(long.MaxValue);
        using SemaphoreSlim later = new(0);
        queue.CreateTimer("later", () => later.Release()).Arm(Clock.MonotonicNanoseconds + 5_000_000);
        Assert.True(later.Wait(TimeSpan.FromSeconds(10)));
        Assert.Equal(0, fired.CurrentCount);
    }

    [Fact]
    public void A_disarmed_or_disposed_timer_does_not_fire()
    {
        using TimerQueue queue = new(Clock);
        int wrong = 0;
        long soon = Clock.MonotonicNanoseconds + 2_000_000;
        IHostTimer disarmed = queue.CreateTimer("disarmed", () => wrong++);
        disarmed.Arm(soon);
        disarmed.Disarm();
        IHostTimer disposed = queue.CreateTimer("disposed", () => wrong++);
        disposed.Dispose();
        disposed.Arm(soon);
        using SemaphoreSlim later = new(0);
        queue.CreateTimer("later", () => later.Release()).Arm(soon + 2_000_000);
        Assert.True(later.Wait(TimeSpan.FromSeconds(10)));
        Assert.Equal(0, wrong);
    }

    [Fact]
    public void A_callback_can_arm_its_own_timer()
    {
        using TimerQueue queue = new(Clock);
        using SemaphoreSlim done = new(0);
        int count = 0;
        IHostTimer? timer = null;
        timer = queue.CreateTimer("periodic", () =>
        {
            if (++count == 100) done.Release();
            else timer!.Arm(Clock.MonotonicNanoseconds + 10_000);
        });
        timer.Arm(0);
        Assert.True(done.Wait(TimeSpan.FromSeconds(30)));
    }

    [Fact]
    public void The_heap_agrees_with_a_sorted_list_over_random_operations()
    {
        Random random = new(7);
        using TimerQueue queue = new(Clock);
        QueuedTimer[] timers = new QueuedTimer[50];
        for (int index = 0; index < timers.Length; index++) timers[index] = (QueuedTimer)queue.CreateTimer($"{index}", static () => { });
        DeadlineHeap heap = new();
        for (int step = 0; step < 20_000; step++)
        {
            QueuedTimer timer = timers[random.Next(timers.Length)];
            if (random.Next(3) == 0) heap.Remove(timer);
            else heap.Set(timer, random.Next(1000));
            long least = long.MaxValue;
            int armed = 0;
            foreach (QueuedTimer each in timers)
                if (each.HeapIndex >= 0)
                {
                    armed++;
                    least = Math.Min(least, each.Deadline);
                }
            Assert.Equal(armed, heap.Count);
            Assert.Equal(least, heap.First?.Deadline ?? long.MaxValue);
        }
    }
}
