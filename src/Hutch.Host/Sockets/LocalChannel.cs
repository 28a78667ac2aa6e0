using System;
using System.IO;
using System.Runtime.InteropServices;
using Hutch.Host.Events;
using Hutch.Host.Linux;
using Microsoft.Win32.SafeHandles;

namespace Hutch.Host.Sockets;

/// <summary>
/// One end of a UNIX stream to a program that answers requests. Calls wait no longer than they are told, and a descriptor can be passed to the other end. Used by one
/// thread at a time.
/// </summary>
public sealed unsafe class LocalChannel : IDisposable
{
    private readonly SafeFileHandle _socket;

    private LocalChannel(SafeFileHandle socket) => _socket = socket;

    /// <summary>The descriptor, for <see cref="PollSet"/>.</summary>
    public int Descriptor => (int)_socket.DangerousGetHandle();

    /// <summary>Connects to who listens on a path. Throws <see cref="LinuxException"/>, or <see cref="IOException"/> for a path that is too long.</summary>
    public static LocalChannel Connect(string path)
    {
        Libc.UnixAddress address = LocalSocket.Address(path);
        // A listener whose backlog is full refuses one that does not wait.
        SafeFileHandle socket = LocalSocket.Create(path, Libc.SocketNonblock);
        // SAFETY: the address is on this frame, and its size is passed.
        if (Libc.Connect((int)socket.DangerousGetHandle(), &address, (uint)sizeof(Libc.UnixAddress)) == 0) return new LocalChannel(socket);
        int error = Marshal.GetLastPInvokeError();
        socket.Dispose();
        throw new LinuxException("connect", error, path);
    }

    /// <summary>Two ends of a stream of their own, one of them for another program. Throws <see cref="LinuxException"/>.</summary>
    /// <param name="purpose">What it is for, in the error.</param>
    /// <param name="other">The other program's end.</param>
    public static LocalChannel CreatePair(string purpose, out SafeFileHandle other)
    {
        int* ends = stackalloc int[2];
        // SAFETY: the kernel writes two descriptors to this frame.
        if (Libc.CreateSocketPair(Libc.FamilyUnix, Libc.SocketStream | Libc.SocketCloexec, 0, ends) != 0) LinuxException.ThrowLast("socketpair", purpose);
        other = new SafeFileHandle(ends[1], ownsHandle: true);
        return new LocalChannel(new SafeFileHandle(ends[0], ownsHandle: true));
    }

    /// <summary>Sends bytes. False when the peer is gone or did not read for <paramref name="patienceMs"/> milliseconds.</summary>
    public bool Send(ReadOnlySpan<byte> data, int patienceMs) => LocalSocket.Send(Descriptor, data, patienceMs);

    /// <summary>Sends a few bytes, and with them a descriptor, of which the peer gets one of its own (unix(7), SCM_RIGHTS). False where there was no room or no peer.</summary>
    public bool Send(ReadOnlySpan<byte> data, SafeFileHandle descriptor)
    {
        bool held = false;
        try
        {
            descriptor.DangerousAddRef(ref held);
            return LocalSocket.Send(Descriptor, data, [(int)descriptor.DangerousGetHandle()], Libc.SendNoSignal | Libc.DontWait) == data.Length;
        }
        finally
        {
            if (held) descriptor.DangerousRelease();
        }
    }

    /// <summary>Reads what is there: the count, 0 when the peer is gone, -1 when there is nothing now.</summary>
    /// <param name="destination">At least one byte.</param>
    public int Receive(Span<byte> destination)
    {
        nint count;
        // SAFETY: the span is pinned for the call and its length is passed.
        fixed (byte* start = destination) count = Libc.Receive(Descriptor, start, (nuint)destination.Length, Libc.DontWait);
        if (count >= 0) return (int)count;
        return Marshal.GetLastPInvokeError() is Libc.Eintr or Libc.Eagain ? -1 : 0;
    }

    /// <summary>Fills <paramref name="destination"/>. False when the peer is gone, or when <paramref name="patienceMs"/> milliseconds have passed before.</summary>
    public bool ReceiveAll(Span<byte> destination, int patienceMs)
    {
        long deadline = Environment.TickCount64 + patienceMs;
        while (!destination.IsEmpty)
        {
            int count = Receive(destination);
            if (count == 0) return false;
            if (count > 0) destination = destination[count..];
            else if (!Wait((int)Math.Max(0, deadline - Environment.TickCount64))) return false;
        }
        return true;
    }

    /// <summary>Waits until there is something to read, or the peer is gone; false when <paramref name="patienceMs"/> milliseconds passed before.</summary>
    public bool Wait(int patienceMs) => OpenFile.Wait(Descriptor, Libc.PollIn, patienceMs);

    /// <inheritdoc/>
    public void Dispose() => _socket.Dispose();
}
