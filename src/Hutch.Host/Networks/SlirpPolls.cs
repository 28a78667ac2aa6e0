using System;
using Hutch.Host.Events;
using Hutch.Host.Linux;

namespace Hutch.Host.Networks;

/// <summary>The descriptors of one wait of a <see cref="SlirpStack"/>; entry 0 is what wakes it. Grows to what is needed and stays.</summary>
internal sealed unsafe class SlirpPolls
{
    private const short PollPriority = 2;

    private PollFd[] _entries = new PollFd[16];
    private int _count;
    private int _result = -1;
    private bool _waited;

    /// <summary>Forgets the last wait's descriptors.</summary>
    internal void Begin(EventFd wake)
    {
        _entries[0] = new PollFd { Fd = wake.Descriptor, Events = Libc.PollIn };
        _count = 1;
    }

    /// <summary>Adds a descriptor with the library's event bits. Returns its index.</summary>
    internal int Add(int descriptor, int events)
    {
        if (_count == _entries.Length) Array.Resize(ref _entries, 2 * _count);
        int wanted = ((events & SlirpNative.PollIn) != 0 ? Libc.PollIn : 0) | ((events & SlirpNative.PollOut) != 0 ? Libc.PollOut : 0)
            | ((events & SlirpNative.PollPriority) != 0 ? PollPriority : 0);
        _entries[_count] = new PollFd { Fd = descriptor, Events = (short)wanted };
        return _count++;
    }

    /// <summary>Sleeps. A signal that ends the sleep early counts as a failure, after which the library looks at no socket.</summary>
    internal void Wait(uint timeoutMs)
    {
        // SAFETY: the array stays where it is during the call and has _count entries.
        fixed (PollFd* first = _entries) _result = Libc.Poll(first, (nuint)_count, timeoutMs > int.MaxValue ? -1 : (int)timeoutMs);
        _waited = true;
    }

    /// <summary>Whether there was a wait since the last call.</summary>
    internal bool TakeResult(out bool failed)
    {
        failed = _result < 0;
        bool waited = _waited;
        _waited = false;
        return waited;
    }

    /// <summary>What the wait found of an index, in the library's bits.</summary>
    internal int Found(int index)
    {
        int found = (uint)index < (uint)_count ? _entries[index].Returned : 0;
        return ((found & Libc.PollIn) != 0 ? SlirpNative.PollIn : 0) | ((found & Libc.PollOut) != 0 ? SlirpNative.PollOut : 0)
            | ((found & PollPriority) != 0 ? SlirpNative.PollPriority : 0) | ((found & Libc.PollErr) != 0 ? SlirpNative.PollError : 0)
            | ((found & Libc.PollHup) != 0 ? SlirpNative.PollHangUp : 0);
    }
}
