using System;
using System.Collections.Generic;
using System.Threading;
using Hutch.Host.Linux;

namespace Hutch.Host.Events;

/// <summary>Waits for any number of events on one thread, which begins with the first of them, and calls back for each that was signalled.</summary>
/// <param name="name">Name of the thread.</param>
public sealed unsafe class EventWatcher(string name) : IDisposable
{
    private const int StackBytes = 256 * 1024;

    private readonly Lock _lock = new();
    private readonly List<Watch> _watches = [];
    private readonly EventFd _changed = EventFd.Create(name);
    private Thread? _thread;
    private bool _ended;

    /// <summary>
    /// Calls back on the watcher's thread whenever the event has a count, until the result is disposed: then no call is running or will come. The callback drains the
    /// event, is short and does not throw; it may not wait for a thread that watches or unwatches. Any thread.
    /// </summary>
    public IDisposable Add(EventFd awaited, Action signalled)
    {
        Watch watch = new(this, awaited, signalled);
        lock (_lock)
        {
            _watches.Add(watch);
            if (_thread is null)
            {
                _thread = new Thread(Run, StackBytes) { Name = name, IsBackground = true };
                _thread.Start();
            }
        }
        _changed.Signal();
        return watch;
    }

    /// <summary>Ends the thread. Not from a callback.</summary>
    public void Dispose()
    {
        lock (_lock) _ended = true;
        _changed.Signal();
        _thread?.Join();
        _changed.Dispose();
    }

    private void Remove(Watch watch)
    {
        lock (_lock) _watches.Remove(watch);
        // A removed event is still waited for until the next round, which does nothing with it.
        _changed.Signal();
    }

    private void Run()
    {
        Watch[] watches = [];
        while (true)
        {
            PollFd[] entries = new PollFd[1 + watches.Length];
            entries[0] = new PollFd { Fd = _changed.Descriptor, Events = Libc.PollIn };
            for (int index = 0; index < watches.Length; index++) entries[1 + index] = new PollFd { Fd = watches[index].Awaited.Descriptor, Events = Libc.PollIn };
            Wait(entries);
            if (entries[0].Returned != 0) _changed.Drain();
            lock (_lock)
            {
                if (_ended) return;
                for (int index = 0; index < watches.Length; index++)
                    if (entries[1 + index].Returned != 0 && _watches.Contains(watches[index])) watches[index].Signalled();
                watches = [.. _watches];
            }
        }
    }

    private static void Wait(PollFd[] entries)
    {
        // SAFETY: the array stays where it is during the call, and its length is passed.
        fixed (PollFd* first = entries) _ = Libc.Poll(first, (nuint)entries.Length, -1);
    }

    private sealed class Watch(EventWatcher watcher, EventFd awaited, Action signalled) : IDisposable
    {
        internal EventFd Awaited => awaited;

        internal Action Signalled => signalled;

        public void Dispose() => watcher.Remove(this);
    }
}
