using System;
using System.Threading;
using Hutch.Host.Linux;
using Hutch.Host.Memory;

namespace Hutch.Host.Time;

/// <summary>
/// The host's timers: one thread that sleeps until the earliest deadline in absolute CLOCK_MONOTONIC nanoseconds.
/// Arming costs a lock; it wakes the thread only when the new deadline is before the one that the thread sleeps for.
/// A deadline that was moved later or cancelled is noticed when the old one comes.
/// </summary>
public sealed unsafe class TimerQueue : ITimerService, IDisposable
{
    // What the kernel may add to a sleep; its default of 50 us would be seen by a guest's timers.
    private const nuint SlackNanoseconds = 1000;

    private readonly Lock _lock = new();
    private readonly DeadlineHeap _heap = new();
    private readonly MappedRegion _page;
    private readonly Thread _thread;
    private long _sleepingUntil;
    private bool _stopping;

    /// <summary>Starts the thread.</summary>
    public TimerQueue(IClock clock)
    {
        Clock = clock;
        _page = MappedRegion.Allocate(4096, "Timer wake-up word");
        _thread = new Thread(Loop, 256 * 1024) { IsBackground = true, Name = "timers" };
        _thread.Start();
    }

    /// <inheritdoc/>
    public IClock Clock { get; }

    // SAFETY: the page is at least four bytes long and is unmapped only after the thread has ended.
    private int* WakeWord => (int*)_page.Start;

    /// <inheritdoc/>
    public IHostTimer CreateTimer(string name, Action expired) => new QueuedTimer(this, name, expired);

    /// <summary>Ends the thread; timers that are still armed never fire. Not callable from a timer's callback.</summary>
    public void Dispose()
    {
        lock (_lock)
        {
            if (_stopping) return;
            _stopping = true;
            Wake();
        }
        _thread.Join();
        _page.Dispose();
    }

    internal void Arm(QueuedTimer timer, long deadline)
    {
        lock (_lock)
        {
            if (_stopping || timer.IsDisposed) return;
            _heap.Set(timer, deadline);
            if (deadline < _sleepingUntil) Wake();
        }
    }

    internal void Disarm(QueuedTimer timer, bool forever)
    {
        lock (_lock)
        {
            _heap.Remove(timer);
            timer.IsDisposed |= forever;
        }
    }

    // With the lock held. The thread read the word under the lock before it sleeps on it, so no wake-up is lost.
    private void Wake()
    {
        _sleepingUntil = 0;
        // SAFETY: see WakeWord; Dispose sets _stopping under the lock before it unmaps the page, and nothing arms after that.
        int* word = WakeWord;
        Volatile.Write(ref *word, *word + 1);
        _ = Libc.Futex(Libc.SysFutex, word, Libc.FutexWakePrivate, 1, null, null, 0);
    }

    private void Loop()
    {
        _ = Libc.Prctl(Libc.PrSetTimerSlack, SlackNanoseconds, 0, 0, 0);
        while (true)
        {
            QueuedTimer? due = null;
            int seen = 0;
            long deadline = long.MaxValue;
            lock (_lock)
            {
                if (_stopping) return;
                QueuedTimer? first = _heap.First;
                if (first is not null)
                {
                    deadline = first.Deadline;
                    if (deadline <= Clock.MonotonicNanoseconds)
                    {
                        _heap.Remove(first);
                        due = first;
                    }
                }
                if (due is null)
                {
                    _sleepingUntil = deadline;
                    // SAFETY: this thread runs only while the page is mapped.
                    seen = *WakeWord;
                }
                else _sleepingUntil = 0;
            }
            if (due is null) Sleep(seen, deadline);
            else due.Fire();
        }
    }

    private void Sleep(int seen, long deadline)
    {
        TimeSpec until = new() { Seconds = deadline / 1_000_000_000, Nanoseconds = deadline % 1_000_000_000 };
        // SAFETY: as in Loop. FUTEX_WAIT_BITSET takes an absolute CLOCK_MONOTONIC time; it returns at once when the word has changed.
        _ = Libc.Futex(Libc.SysFutex, WakeWord, Libc.FutexWaitBitsetPrivate, seen,
            deadline == long.MaxValue ? null : &until, null, Libc.FutexMatchAny);
    }
}
