using System;
using System.Runtime.InteropServices;
using Hutch.Host.Linux;

namespace Hutch.Host.Events;

/// <summary>Blocking reads and writes on a descriptor that somebody else owns: standard input, output, a socket, a file.</summary>
internal static unsafe class OpenFile
{
    /// <summary>Writes everything, waiting where the peer is slow. False when the peer is gone or <paramref name="patienceMs"/> passed without progress.</summary>
    /// <param name="fd">Descriptor to write to.</param>
    /// <param name="data">Bytes to write.</param>
    /// <param name="patienceMs">Milliseconds to wait for room; -1 waits for ever. Applies to descriptors in non-blocking mode and to pipes that are full.</param>
    internal static bool WriteAll(int fd, ReadOnlySpan<byte> data, int patienceMs)
    {
        while (data.Length != 0)
        {
            if (patienceMs >= 0 && !Wait(fd, Libc.PollOut, patienceMs)) return false;
            // A pipe that is ready takes PIPE_BUF bytes without blocking, and perhaps no more.
            int length = patienceMs >= 0 ? Math.Min(data.Length, 4096) : data.Length;
            nint written;
            // SAFETY: the span is pinned for the call and no more than its length is passed.
            fixed (byte* start = data) written = Libc.Write(fd, start, (nuint)length);
            if (written >= 0)
            {
                data = data[(int)written..];
                continue;
            }
            int error = Marshal.GetLastPInvokeError();
            if (error == Libc.Eintr) continue;
            if (error != Libc.Eagain || !Wait(fd, Libc.PollOut, patienceMs)) return false;
        }
        return true;
    }

    /// <summary>Reads what is there: the count, 0 at the end of input or on an error, -1 when there was nothing after all.</summary>
    internal static int Read(int fd, Span<byte> destination)
    {
        nint count;
        // SAFETY: the span is pinned for the call and its length is passed.
        fixed (byte* start = destination) count = Libc.Read(fd, start, (nuint)destination.Length);
        if (count >= 0) return (int)count;
        return Marshal.GetLastPInvokeError() is Libc.Eintr or Libc.Eagain ? -1 : 0;
    }

    /// <summary>Waits for one descriptor; true when it is ready (or broken, which the next call then says).</summary>
    internal static bool Wait(int fd, short events, int timeoutMs)
    {
        PollFd poll = new() { Fd = fd, Events = events };
        int ready;
        // SAFETY: one entry, on this frame.
        do ready = Libc.Poll(&poll, 1, timeoutMs);
        while (ready < 0 && Marshal.GetLastPInvokeError() == Libc.Eintr);
        return ready > 0;
    }

    /// <summary>Whether nobody is at the other end.</summary>
    internal static bool HasHungUp(int fd)
    {
        PollFd poll = new() { Fd = fd };
        // SAFETY: one entry, on this frame.
        return Libc.Poll(&poll, 1, 0) > 0 && (poll.Returned & Libc.PollHup) != 0;
    }

    /// <summary>
    /// Waits for events of a descriptor, for the event's count, which it leaves, or for some time; true when the descriptor is ready (or broken). May return early.
    /// </summary>
    /// <param name="fd">Descriptor; -1: only the event counts.</param>
    /// <param name="events">What to wait for; 0: only the event counts.</param>
    /// <param name="wake">Ends the wait.</param>
    /// <param name="timeoutMs">At most so long, in milliseconds; -1: no limit.</param>
    internal static bool Wait(int fd, short events, EventFd wake, int timeoutMs)
    {
        PollFd* polls = stackalloc PollFd[2];
        polls[0] = new PollFd { Fd = wake.Descriptor, Events = Libc.PollIn };
        polls[1] = new PollFd { Fd = events == 0 ? -1 : fd, Events = events };
        // SAFETY: two entries, on this frame; poll ignores entries with a negative descriptor.
        return Libc.Poll(polls, 2, timeoutMs) > 0 && polls[1].Returned != 0;
    }
}
