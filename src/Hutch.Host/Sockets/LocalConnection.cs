using System;
using System.IO;
using System.Runtime.InteropServices;
using System.Threading;
using Hutch.Host.Events;
using Hutch.Host.Linux;
using Microsoft.Win32.SafeHandles;

namespace Hutch.Host.Sockets;

/// <summary>
/// One end of a UNIX stream that carries lines. One thread reads; any thread writes. A peer that sends too long a line, or does not read, loses
/// the connection and nothing else.
/// </summary>
public sealed unsafe class LocalConnection : IDisposable
{
    /// <summary>The longest line in bytes, its end included.</summary>
    public const int LongestLine = 64 * 1024;

    private readonly SafeFileHandle _socket;
    private readonly Lock _writing = new();
    private byte[] _buffer = new byte[1024];
    private int _first, _end;

    internal LocalConnection(SafeFileHandle socket) => _socket = socket;

    /// <summary>Connects; null when nobody listens there. Throws <see cref="LinuxException"/> or <see cref="IOException"/> for what is in the way.</summary>
    public static LocalConnection? Connect(string path)
    {
        Libc.UnixAddress address = LocalSocket.Address(path);
        SafeFileHandle socket = LocalSocket.Create(path);
        if (Libc.Connect((int)socket.DangerousGetHandle(), &address, (uint)sizeof(Libc.UnixAddress)) == 0) return new LocalConnection(socket);
        int error = Marshal.GetLastPInvokeError();
        socket.Dispose();
        // ENOENT, ECONNREFUSED: no socket, or left over from a process that was killed.
        if (error is 2 or 111) return null;
        throw new LinuxException("connect", error, path);
    }

    /// <summary>Reads a line without its end, valid until the next call. False at the end of the stream, for too long a line, or when <paramref name="timeoutMs"/> passed.</summary>
    public bool TryReadLine(out ReadOnlySpan<byte> line, int timeoutMs = -1)
    {
        line = default;
        long deadline = timeoutMs < 0 ? long.MaxValue : Environment.TickCount64 + timeoutMs;
        int searched = _first;
        while (true)
        {
            int found = _buffer.AsSpan(searched, _end - searched).IndexOf((byte)'\n');
            if (found >= 0)
            {
                line = _buffer.AsSpan(_first, searched + found - _first);
                _first = searched + found + 1;
                return true;
            }
            searched = MakeRoom(_end - _first);
            if (_end == _buffer.Length || !Receive(deadline)) return false;
        }
    }

    /// <summary>Sends bytes. False when the peer is gone or did not read for <paramref name="patienceMs"/>.</summary>
    public bool Write(ReadOnlySpan<byte> data, int patienceMs = 5000)
    {
        bool held = false;
        lock (_writing)
        {
            try
            {
                _socket.DangerousAddRef(ref held);
                return LocalSocket.Send((int)_socket.DangerousGetHandle(), data, patienceMs);
            }
            catch (ObjectDisposedException)
            {
                return false;
            }
            finally
            {
                if (held) _socket.DangerousRelease();
            }
        }
    }

    /// <summary>Whether the peer closed its end. Any thread.</summary>
    public bool IsPeerGone
    {
        get
        {
            if (_socket.IsClosed) return true;
            PollFd poll = new() { Fd = (int)_socket.DangerousGetHandle(), Events = Libc.PollReadHangUp };
            // SAFETY: one entry, on this frame.
            return Libc.Poll(&poll, 1, 0) > 0;
        }
    }

    /// <summary>Ends reads and writes that wait; the descriptor stays until <see cref="Dispose"/>. Any thread.</summary>
    public void Shutdown()
    {
        if (!_socket.IsClosed) _ = Libc.Shutdown((int)_socket.DangerousGetHandle(), Libc.ShutdownBoth);
    }

    /// <inheritdoc/>
    public void Dispose() => _socket.Dispose();

    // Moves what waits to the front and grows the buffer up to a line's limit. Returns where to search on.
    private int MakeRoom(int waiting)
    {
        if (_first != 0) _buffer.AsSpan(_first, waiting).CopyTo(_buffer);
        (_first, _end) = (0, waiting);
        if (_end == _buffer.Length && _buffer.Length < LongestLine) Array.Resize(ref _buffer, Math.Min(_buffer.Length * 4, LongestLine));
        return _end;
    }

    private bool Receive(long deadline)
    {
        int fd = (int)_socket.DangerousGetHandle();
        while (true)
        {
            int patience = deadline == long.MaxValue ? -1 : (int)Math.Clamp(deadline - Environment.TickCount64, 0, int.MaxValue);
            if (!OpenFile.Wait(fd, Libc.PollIn, patience)) return false;
            int count = OpenFile.Read(fd, _buffer.AsSpan(_end));
            if (count < 0) continue;
            _end += count;
            return count != 0;
        }
    }
}
