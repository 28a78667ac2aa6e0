using System;
using System.IO;
using System.Runtime.InteropServices;
using System.Text;
using Hutch.Host.Events;
using Hutch.Host.Files;
using Hutch.Host.Linux;
using Microsoft.Win32.SafeHandles;

namespace Hutch.Host.Sockets;

/// <summary>UNIX stream sockets by their system calls: the framework's own would cost a process more to load than all that goes over them.</summary>
internal static unsafe class LocalSocket
{
    /// <summary>Connections that may wait to be accepted.</summary>
    private const int Backlog = 16;

    /// <summary>A new socket. Throws <see cref="LinuxException"/>.</summary>
    /// <param name="path">What it is for, in the error.</param>
    /// <param name="flags">SOCK_NONBLOCK, or nothing.</param>
    internal static SafeFileHandle Create(string path, int flags = 0)
    {
        int fd = Libc.CreateSocket(Libc.FamilyUnix, Libc.SocketStream | Libc.SocketCloexec | flags, 0);
        if (fd < 0) LinuxException.ThrowLast("socket", path);
        return new SafeFileHandle(fd, ownsHandle: true);
    }

    /// <summary>
    /// Binds a socket to its path, for this user alone, and listens. Takes the socket over where that fails, and leaves no file then. Throws <see cref="LinuxException"/> or
    /// <see cref="IOException"/>.
    /// </summary>
    internal static void Listen(SafeFileHandle socket, string path, Libc.UnixAddress address)
    {
        int fd = (int)socket.DangerousGetHandle();
        bool isBound = false;
        try
        {
            // SAFETY: the address is a copy on this frame, and its size is passed.
            if (Libc.Bind(fd, &address, (uint)sizeof(Libc.UnixAddress)) != 0) LinuxException.ThrowLast("bind", path);
            isBound = true;
            // Before anybody can connect.
            File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite);
            if (Libc.Listen(fd, Backlog) != 0) LinuxException.ThrowLast("listen", path);
        }
        catch
        {
            socket.Dispose();
            if (isBound) File.Delete(path);
            throw;
        }
    }

    /// <summary>One call that sends bytes, and with the first of them descriptors, of which the peer gets some of its own (unix(7), SCM_RIGHTS). Returns what sendmsg(2) does.</summary>
    /// <param name="fd">The socket.</param>
    /// <param name="source">At least one byte.</param>
    /// <param name="descriptors">One to <see cref="ILocalStream.MostDescriptors"/>, which stay the caller's.</param>
    /// <param name="flags">MSG_NOSIGNAL and others.</param>
    internal static nint Send(int fd, ReadOnlySpan<byte> source, ReadOnlySpan<int> descriptors, int flags)
    {
        int controlBytes = sizeof(Libc.ControlHeader) + (descriptors.Length * sizeof(int));
        byte* control = stackalloc byte[sizeof(Libc.ControlHeader) + (ILocalStream.MostDescriptors * sizeof(int))];
        *(Libc.ControlHeader*)control = new Libc.ControlHeader { Bytes = (nuint)controlBytes, Level = Libc.SocketLevel, Type = Libc.PassDescriptors };
        descriptors.CopyTo(new Span<int>(control + sizeof(Libc.ControlHeader), ILocalStream.MostDescriptors));
        // SAFETY: the message names the pinned span and what lies on this frame, each with its length; the copy above throws for more descriptors than there is room for.
        fixed (byte* start = source)
        {
            IoSegment segment = new((nint)start, source.Length);
            Libc.MessageHeader message = new() { Segments = &segment, SegmentCount = 1, Control = control, ControlBytes = (nuint)controlBytes };
            return Libc.SendMessage(fd, &message, flags);
        }
    }

    /// <summary>The address of a path. Throws <see cref="IOException"/> where it is longer than an address holds.</summary>
    internal static Libc.UnixAddress Address(string path)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(path);
        if (bytes.Length >= Libc.UnixAddress.PathBytes)
            throw new IOException($"The path of the socket {path} has {bytes.Length} bytes and a socket's may have {Libc.UnixAddress.PathBytes - 1}.");
        Libc.UnixAddress address = new() { Family = Libc.FamilyUnix };
        // SAFETY: the length was just checked; the rest of the field is zero, which ends the path.
        bytes.CopyTo(new Span<byte>(address.Path, Libc.UnixAddress.PathBytes));
        return address;
    }

    /// <summary>Sends bytes. False when the peer is gone or did not read for <paramref name="patienceMs"/>.</summary>
    internal static bool Send(int fd, ReadOnlySpan<byte> data, int patienceMs)
    {
        while (data.Length != 0)
        {
            nint sent;
            // SAFETY: the span is pinned for the call and no more than its length is passed.
            fixed (byte* start = data) sent = Libc.Send(fd, start, (nuint)data.Length, Libc.SendNoSignal | Libc.DontWait);
            if (sent >= 0) data = data[(int)sent..];
            else if (Marshal.GetLastPInvokeError() == Libc.Eagain)
            {
                if (!OpenFile.Wait(fd, Libc.PollOut, patienceMs)) return false;
            }
            else if (Marshal.GetLastPInvokeError() != Libc.Eintr) return false;
        }
        return true;
    }

    /// <summary>The user at the other end, as the kernel recorded it when the connection was made; null when it does not say.</summary>
    internal static uint? PeerUser(int fd)
    {
        Libc.PeerCredentials peer;
        uint length = (uint)sizeof(Libc.PeerCredentials);
        // SAFETY: the kernel fills one structure on this frame and is told its size.
        return Libc.GetSocketOption(fd, Libc.SocketLevel, Libc.SocketPeerCredentials, &peer, &length) == 0 ? peer.User : null;
    }
}
