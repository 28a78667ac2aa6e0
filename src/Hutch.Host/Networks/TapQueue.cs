using System;
using System.Runtime.InteropServices;
using Hutch.Host.Events;
using Hutch.Host.Files;
using Hutch.Host.Linux;
using Microsoft.Win32.SafeHandles;

namespace Hutch.Host.Networks;

/// <summary>
/// A queue of a tap interface (Documentation/networking/tuntap.rst): frames with a header of struct virtio_net_hdr's form in front. One thread at a time.
/// The interface lives as long as its last queue, unless it was made to stay.
/// </summary>
public sealed unsafe class TapQueue : IDisposable
{
    private const string Device = "/dev/net/tun";
    private const int MostSegments = 512;

    private readonly SafeFileHandle _file;

    private TapQueue(SafeFileHandle file, string name) => (_file, Name) = (file, name);

    /// <summary>The interface's name.</summary>
    public string Name { get; }

    /// <summary>Opens a queue, and makes the interface when it is not there. Throws <see cref="LinuxException"/>.</summary>
    /// <param name="name">Its name; <c>%d</c> in it becomes the first number that is free.</param>
    /// <param name="multiQueue">More queues may follow.</param>
    /// <param name="headerBytes">Length of the header in front of each frame: 10 or 12.</param>
    public static TapQueue Open(string name, bool multiQueue, int headerBytes)
    {
        int fd = Libc.Open(Device, Libc.OpenReadWrite | Libc.OpenCloexec | Libc.OpenNonBlock, 0);
        if (fd < 0) LinuxException.ThrowLast("open", Device);
        SafeFileHandle file = new(fd, ownsHandle: true);
        try
        {
            Libc.InterfaceRequest request = NetworkInterfaces.Request(name);
            request.Flags = (short)(Libc.TunTap | Libc.TunNoInfo | Libc.TunNetHeader | (multiQueue ? Libc.TunMultiQueue : 0));
            // SAFETY: the kernel reads and writes structures on this frame.
            if (Libc.InterfaceIoctl(fd, Libc.TunSetInterface, &request) != 0) LinuxException.ThrowLast("TUNSETIFF", $"The tap interface {name}");
            if (Libc.Ioctl(fd, Libc.TunSetHeaderBytes, (nuint)(&headerBytes)) != 0) LinuxException.ThrowLast("TUNSETVNETHDRSZ", $"The tap interface {name}");
            return new TapQueue(file, NetworkInterfaces.NameIn(&request));
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>Says what the reader takes: frames without checksums, large segments of TCP. For all queues of the interface. False: the kernel refuses.</summary>
    public bool SetOffloads(bool checksum, bool tso4, bool tso6, bool ecn)
    {
        uint flags = !checksum ? 0
            : Libc.TunOffloadChecksum | (tso4 ? Libc.TunOffloadTso4 : 0) | (tso6 ? Libc.TunOffloadTso6 : 0) | (ecn && (tso4 || tso6) ? Libc.TunOffloadEcn : 0);
        return Libc.Ioctl(Descriptor, Libc.TunSetOffload, flags) == 0;
    }

    /// <summary>Takes the queue into use or out of it, of an interface with several. False: the kernel refuses.</summary>
    public bool SetAttached(bool attached)
    {
        Libc.InterfaceRequest request = default;
        request.Flags = attached ? Libc.TunAttach : Libc.TunDetach;
        // SAFETY: the kernel reads one structure on this frame.
        return Libc.InterfaceIoctl(Descriptor, Libc.TunSetQueue, &request) == 0;
    }

    /// <summary>Sends one frame. False: not now. One that the kernel refuses is dropped.</summary>
    public bool Send(ReadOnlySpan<byte> header, ReadOnlySpan<IoSegment> frame)
    {
        if (frame.Length >= MostSegments) return true;
        IoSegment* segments = stackalloc IoSegment[MostSegments];
        // SAFETY: the header is pinned for the call; whoever made the segments keeps their memory mapped; the count was just checked.
        fixed (byte* start = header)
        {
            segments[0] = new IoSegment((nint)start, header.Length);
            for (int i = 0; i < frame.Length; i++) segments[1 + i] = frame[i];
            nint sent;
            do sent = Libc.Writev(Descriptor, segments, 1 + frame.Length);
            while (sent < 0 && Marshal.GetLastPInvokeError() == Libc.Eintr);
            return sent >= 0 || Marshal.GetLastPInvokeError() != Libc.Eagain;
        }
    }

    /// <summary>Receives one frame with its header. Returns its length, 0 when there is none.</summary>
    public int Receive(Span<byte> buffer)
    {
        int count = OpenFile.Read(Descriptor, buffer);
        return Math.Max(count, 0);
    }

    /// <summary>Sleeps until there is a frame or room for one, as asked, until <paramref name="wake"/> has a count, or for some time.</summary>
    public void Wait(EventFd wake, bool receive, bool send, int timeoutMs)
    {
        _ = OpenFile.Wait(Descriptor, (short)((receive ? Libc.PollIn : 0) | (send ? Libc.PollOut : 0)), wake, timeoutMs);
    }

    /// <inheritdoc/>
    public void Dispose() => _file.Dispose();

    private int Descriptor => (int)_file.DangerousGetHandle();
}
