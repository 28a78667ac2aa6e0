using System.Runtime.InteropServices;
using Hutch.Host.Linux;

namespace Hutch.Host.Events;

/// <summary>An eventfd(2) in non-blocking mode. Any thread may signal and drain it.</summary>
public sealed unsafe class EventFd : SafeHandle
{
    private EventFd(int fd) : base(-1, ownsHandle: true) => SetHandle(fd);

    /// <inheritdoc/>
    public override bool IsInvalid => handle == -1;

    /// <summary>The descriptor, for poll and for the kernel. Valid while this object is.</summary>
    public int Descriptor => (int)handle;

    /// <summary>Creates an event with count 0. Throws <see cref="LinuxException"/> when the host has no descriptors left.</summary>
    public static EventFd Create(string purpose)
    {
        int fd = Libc.CreateEventFd(0, Libc.EfdCloexec | Libc.EfdNonblock);
        if (fd < 0) LinuxException.ThrowLast("eventfd", purpose);
        return new EventFd(fd);
    }

    /// <summary>Adds one to the count.</summary>
    public void Signal()
    {
        ulong one = 1;
        // SAFETY: the kernel reads eight bytes from a local. A full counter means that the reader is due to wake anyway.
        _ = Libc.Write(Descriptor, &one, sizeof(ulong));
    }

    /// <summary>Sets the count to 0; false when it already was.</summary>
    public bool Drain()
    {
        ulong count;
        // SAFETY: the kernel writes eight bytes to a local.
        return Libc.Read(Descriptor, &count, sizeof(ulong)) == sizeof(ulong);
    }

    /// <summary>Waits until the count is not 0 and sets it to 0. One thread at a time.</summary>
    public void Wait()
    {
        // SAFETY: the kernel reads and writes one structure on this frame. A signal to the thread ends the call early; then it is made again.
        PollFd entry = new() { Fd = Descriptor, Events = Libc.PollIn };
        while (!Drain()) _ = Libc.Poll(&entry, 1, -1);
    }

    /// <summary>Sleeps until the count is not 0, and leaves it. May return early.</summary>
    /// <param name="timeoutMs">At most so long, in milliseconds; -1: no limit.</param>
    public void WaitForCount(int timeoutMs = -1)
    {
        // SAFETY: as in Wait.
        PollFd entry = new() { Fd = Descriptor, Events = Libc.PollIn };
        _ = Libc.Poll(&entry, 1, timeoutMs);
    }

    /// <inheritdoc/>
    protected override bool ReleaseHandle() => Libc.Close((int)handle) == 0;
}
