using System;
using System.IO;
using System.Runtime.InteropServices;
using Hutch.Host.Events;
using Hutch.Host.Files;
using Hutch.Host.Linux;
using Microsoft.Win32.SafeHandles;

namespace Hutch.Host.Sockets;

/// <summary>UNIX stream sockets (unix(7)) that never wait.</summary>
public sealed unsafe class LocalStreams : ILocalStreams
{
    private const int StreamFlags = Libc.SocketCloexec | Libc.SocketNonblock;
    private const int TypeMask = 0xf000, TypeSocket = 0xc000, ConnectionRefused = 111;

    /// <inheritdoc/>
    public ILocalStreamListener Listen(string path)
    {
        Libc.UnixAddress address = LocalSocket.Address(path);
        RemoveStale(path);
        SafeFileHandle socket = LocalSocket.Create(path, Libc.SocketNonblock);
        LocalSocket.Listen(socket, path, address);
        return new Listener(socket, path);
    }

    /// <inheritdoc/>
    public ILocalStream? TryConnect(string path)
    {
        SafeFileHandle? socket = null;
        try
        {
            Libc.UnixAddress address = LocalSocket.Address(path);
            socket = LocalSocket.Create(path, Libc.SocketNonblock);
            // SAFETY: the address is on this frame, and its size is passed. A listener whose backlog is full says EAGAIN, which is a refusal like the others.
            if (Libc.Connect((int)socket.DangerousGetHandle(), &address, (uint)sizeof(Libc.UnixAddress)) == 0) return new Stream(socket);
        }
        catch (Exception error) when (error is IOException or LinuxException)
        {
            // Too long a path, or no descriptors left: there is no connection either.
        }
        socket?.Dispose();
        return null;
    }

    /// <summary>
    /// Removes a socket on which nobody listens any more: it was left by a process that was killed. Another kind of file refuses too, and is not ours to remove. Throws
    /// <see cref="IOException"/> for a path that is too long, and <see cref="LinuxException"/>.
    /// </summary>
    public static void RemoveStale(string path)
    {
        Libc.UnixAddress address = LocalSocket.Address(path);
        if (FileOwner.Of(path) is not { } file || (file.Mode & TypeMask) != TypeSocket) return;
        using SafeFileHandle trial = LocalSocket.Create(path);
        // SAFETY: the address is a copy on this frame, and its size is passed.
        if (Libc.Connect((int)trial.DangerousGetHandle(), &address, (uint)sizeof(Libc.UnixAddress)) != 0 && Marshal.GetLastPInvokeError() == ConnectionRefused) File.Delete(path);
    }

    private sealed class Listener(SafeFileHandle socket, string path) : ILocalStreamListener
    {
        public int Descriptor => (int)socket.DangerousGetHandle();

        public ILocalStream? TryAccept()
        {
            // SAFETY: no address is asked for.
            int peer = Libc.Accept(Descriptor, null, null, StreamFlags);
            return peer < 0 ? null : new Stream(new SafeFileHandle(peer, ownsHandle: true));
        }

        public void Dispose()
        {
            if (socket.IsClosed) return;
            socket.Dispose();
            File.Delete(path);
        }
    }

    private sealed class Stream(SafeFileHandle socket) : ILocalStream
    {
        private const int ShutdownWrite = 1;

        public int Descriptor => (int)socket.DangerousGetHandle();

        public bool IsPeerGone
        {
            get
            {
                PollFd poll = new() { Fd = Descriptor };
                // SAFETY: one entry, on this frame.
                return Libc.Poll(&poll, 1, 0) > 0 && (poll.Returned & (Libc.PollHup | Libc.PollErr)) != 0;
            }
        }

        public int Receive(Span<byte> destination) => OpenFile.Read(Descriptor, destination);

        public int Send(ReadOnlySpan<byte> source)
        {
            nint sent;
            // SAFETY: the span is pinned for the call and its length is passed.
            fixed (byte* start = source) sent = Libc.Send(Descriptor, start, (nuint)source.Length, Libc.SendNoSignal);
            return Sent(sent);
        }

        public int Send(ReadOnlySpan<byte> source, ReadOnlySpan<int> descriptors)
        {
            if (descriptors.IsEmpty) return Send(source);
            ArgumentOutOfRangeException.ThrowIfGreaterThan(descriptors.Length, ILocalStream.MostDescriptors);
            return Sent(LocalSocket.Send(Descriptor, source, descriptors, Libc.SendNoSignal));
        }

        public bool WaitToReceive(int timeoutMs) => OpenFile.Wait(Descriptor, Libc.PollIn, timeoutMs);

        public void EndSending() => _ = Libc.Shutdown(Descriptor, ShutdownWrite);

        public void Dispose() => socket.Dispose();

        private static int Sent(nint count) => count >= 0 ? (int)count : Marshal.GetLastPInvokeError() is Libc.Eintr or Libc.Eagain ? 0 : -1;
    }
}
