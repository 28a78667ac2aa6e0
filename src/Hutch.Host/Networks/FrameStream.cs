using System;
using System.Buffers.Binary;
using System.IO;
using System.Runtime.InteropServices;
using Hutch.Host.Events;
using Hutch.Host.Linux;
using Hutch.Host.Sockets;
using Microsoft.Win32.SafeHandles;

namespace Hutch.Host.Networks;

/// <summary>
/// Frames over a UNIX stream socket, each with its length in front, 32 bits in network order: what passt, and QEMU's socket networks, speak. One thread
/// at a time. A peer that ends, or says nonsense, ends the stream and nothing else.
/// </summary>
public sealed unsafe class FrameStream : IDisposable
{
    private const int LengthBytes = 4, DontWait = 0x40;

    private readonly SafeFileHandle _socket;
    private readonly byte[] _incoming, _outgoing;
    private readonly int _longest;
    private int _first, _end;
    private int _sending, _sent;

    private FrameStream(SafeFileHandle socket, int longestFrame)
    {
        _socket = socket;
        _longest = longestFrame;
        _incoming = new byte[4 * (LengthBytes + longestFrame)];
        _outgoing = new byte[LengthBytes + longestFrame];
    }

    /// <summary>The peer is gone, or said nonsense.</summary>
    public bool IsEnded { get; private set; }

    /// <summary>Connects. Throws <see cref="LinuxException"/> or <see cref="IOException"/>.</summary>
    public static FrameStream Connect(string path, int longestFrame)
    {
        Libc.UnixAddress address = LocalSocket.Address(path);
        SafeFileHandle socket = LocalSocket.Create(path);
        if (Libc.Connect((int)socket.DangerousGetHandle(), &address, (uint)sizeof(Libc.UnixAddress)) == 0) return new FrameStream(socket, longestFrame);
        int error = Marshal.GetLastPInvokeError();
        socket.Dispose();
        throw new LinuxException("connect", error, path);
    }

    /// <summary>Room for the next frame to send: <see cref="Send"/> takes it from there. Empty while an earlier one is under way.</summary>
    public Span<byte> Outgoing => Flush() ? _outgoing.AsSpan(LengthBytes) : default;

    /// <summary>Sends so many bytes of <see cref="Outgoing"/>. The rest of what the peer does not take at once goes with later calls.</summary>
    public void Send(int lengthBytes)
    {
        BinaryPrimitives.WriteInt32BigEndian(_outgoing, lengthBytes);
        (_sent, _sending) = (0, LengthBytes + lengthBytes);
        _ = Flush();
    }

    /// <summary>The next whole frame, valid until the next call; it is given again until <see cref="Take"/>. False when there is none yet.</summary>
    public bool TryPeek(out ReadOnlySpan<byte> frame)
    {
        while (true)
        {
            frame = default;
            int waiting = _end - _first;
            if (waiting >= LengthBytes)
            {
                int length = BinaryPrimitives.ReadInt32BigEndian(_incoming.AsSpan(_first));
                if (length < 0 || length > _longest)
                {
                    IsEnded = true;
                    return false;
                }
                frame = _incoming.AsSpan(_first + LengthBytes, Math.Min(length, waiting - LengthBytes));
                if (frame.Length == length) return true;
            }
            if (!Fill()) return false;
        }
    }

    /// <summary>Removes the frame that <see cref="TryPeek"/> gave.</summary>
    public void Take() => _first += LengthBytes + BinaryPrimitives.ReadInt32BigEndian(_incoming.AsSpan(_first));

    /// <summary>Sleeps until the peer has sent something or takes something, as asked, until <paramref name="wake"/> has a count, or for some time.</summary>
    public void Wait(EventFd wake, bool receive, bool send, int timeoutMs)
    {
        send |= _sending != 0;
        _ = OpenFile.Wait(IsEnded ? -1 : Descriptor, (short)((receive ? Libc.PollIn : 0) | (send ? Libc.PollOut : 0)), wake, timeoutMs);
    }

    /// <inheritdoc/>
    public void Dispose() => _socket.Dispose();

    private int Descriptor => (int)_socket.DangerousGetHandle();

    private bool Fill()
    {
        if (IsEnded) return false;
        if (_first != 0)
        {
            _incoming.AsSpan(_first, _end - _first).CopyTo(_incoming);
            (_first, _end) = (0, _end - _first);
        }
        if (!OpenFile.Wait(Descriptor, Libc.PollIn, 0)) return false;
        int count = OpenFile.Read(Descriptor, _incoming.AsSpan(_end));
        if (count == 0) IsEnded = true;
        if (count > 0) _end += count;
        return count > 0;
    }

    // True: nothing is under way any more.
    private bool Flush()
    {
        while (_sent < _sending && !IsEnded)
        {
            nint count;
            // SAFETY: the array is pinned for the call and no more than what is in it is passed.
            fixed (byte* start = _outgoing) count = Libc.Send(Descriptor, start + _sent, (nuint)(_sending - _sent), Libc.SendNoSignal | DontWait);
            if (count >= 0) _sent += (int)count;
            else if (Marshal.GetLastPInvokeError() == Libc.Eagain) return false;
            else if (Marshal.GetLastPInvokeError() != Libc.Eintr) IsEnded = true;
        }
        _sent = _sending = 0;
        return true;
    }
}
