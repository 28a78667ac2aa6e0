using System;
using Hutch.Host.Linux;
using Microsoft.Win32.SafeHandles;

namespace Hutch.Host.Events;

/// <summary>
/// A pipe over which one of two programs wakes the other. Unlike an <see cref="EventFd"/>, whose one descriptor both would have, its ends have modes of their own: a program
/// that does not keep the rules cannot make a call of ours wait. Both ends stay open here, so that the other's end of it is no event. Each end belongs to one thread.
/// </summary>
public sealed unsafe class WakePipe : IDisposable
{
    private const int DrainBytes = 512;

    private readonly SafeFileHandle _read, _write;

    private WakePipe(int read, int write) => (_read, _write) = (new SafeFileHandle(read, ownsHandle: true), new SafeFileHandle(write, ownsHandle: true));

    /// <summary>Where wake-ups arrive: to wait for, or to give away.</summary>
    public int ReadDescriptor => (int)_read.DangerousGetHandle();

    /// <summary>Where wake-ups are sent: to give away.</summary>
    public int WriteDescriptor => (int)_write.DangerousGetHandle();

    /// <summary>Makes one. Throws <see cref="LinuxException"/> when the host has no descriptors left.</summary>
    public static WakePipe Create(string purpose)
    {
        int* ends = stackalloc int[2];
        // SAFETY: the kernel fills two numbers on this frame.
        if (Libc.CreatePipe(ends, Libc.PipeCloexec | Libc.PipeNonblock) != 0) LinuxException.ThrowLast("pipe2", purpose);
        return new WakePipe(ends[0], ends[1]);
    }

    /// <summary>Wakes the other program, by eight bytes, as an eventfd(2) would carry them.</summary>
    public void Signal()
    {
        ulong one = 1;
        // SAFETY: the kernel reads eight bytes from a local. A full pipe means that the reader is due to wake anyway.
        _ = Libc.Write(WriteDescriptor, &one, sizeof(ulong));
    }

    /// <summary>Takes wake-ups that have arrived, a few dozen at most: what is left wakes again.</summary>
    public void Drain()
    {
        byte* buffer = stackalloc byte[DrainBytes];
        // SAFETY: the kernel writes no more than the buffer on this frame holds.
        _ = Libc.Read(ReadDescriptor, buffer, DrainBytes);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _read.Dispose();
        _write.Dispose();
    }
}
