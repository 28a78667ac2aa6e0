using System;
using Hutch.Host.Linux;

namespace Hutch.Host.Events;

/// <summary>What one thread waits for beside an event: descriptors and what may happen to them. Filled anew before each wait; its room stays.</summary>
public sealed unsafe class PollSet
{
    // The first entry is the event's.
    private PollFd[] _entries = new PollFd[8];
    private int _count = 1;

    /// <summary>Descriptors that are in it.</summary>
    public int Count => _count - 1;

    /// <summary>Empties it.</summary>
    public void Clear() => _count = 1;

    /// <summary>Adds a descriptor; one that is negative is left out. With neither, only the end of a connection is waited for.</summary>
    public void Add(int descriptor, bool read, bool write)
    {
        if (descriptor < 0) return;
        if (_count == _entries.Length) Array.Resize(ref _entries, 2 * _count);
        _entries[_count++] = new PollFd { Fd = descriptor, Events = (short)((read ? Libc.PollIn : 0) | (write ? Libc.PollOut : 0)) };
    }

    /// <summary>Sleeps until something may be done or <paramref name="wake"/> has a count, which it leaves. May return early.</summary>
    public void Wait(EventFd wake)
    {
        _entries[0] = new PollFd { Fd = wake.Descriptor, Events = Libc.PollIn };
        // SAFETY: the array stays where it is during the call, and no more than its length is passed.
        fixed (PollFd* first = _entries) _ = Libc.Poll(first, (nuint)_count, -1);
    }
}
