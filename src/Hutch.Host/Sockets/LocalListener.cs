using System;
using System.IO;
using System.Runtime.InteropServices;
using Hutch.Host.Linux;
using Microsoft.Win32.SafeHandles;

namespace Hutch.Host.Sockets;

/// <summary>A listening UNIX socket for processes of the same user. One thread accepts; any thread may end it.</summary>
public sealed unsafe class LocalListener : IDisposable
{
    private readonly SafeFileHandle _socket;
    private readonly string _path;

    /// <summary>
    /// Binds and listens with mode 0600. A socket that is there already is removed: the caller holds a lock that says nobody listens on it.
    /// Throws <see cref="LinuxException"/> or <see cref="IOException"/>.
    /// </summary>
    public LocalListener(string path)
    {
        _path = path;
        Libc.UnixAddress address = LocalSocket.Address(path);
        File.Delete(path);
        _socket = LocalSocket.Create(path);
        // The directory is closed to other users besides.
        LocalSocket.Listen(_socket, path, address);
    }

    /// <summary>Waits for a connection of this process's user or of root; others are closed unheard. Null when the listener has ended.</summary>
    public LocalConnection? Accept()
    {
        bool held = false;
        try
        {
            _socket.DangerousAddRef(ref held);
            int fd = (int)_socket.DangerousGetHandle();
            while (true)
            {
                int peer = Libc.Accept(fd, null, null, Libc.SocketCloexec);
                if (peer < 0)
                {
                    // ECONNABORTED (103) and the lack of descriptors or memory pass; a listener that was shut down says EINVAL (22).
                    if (Marshal.GetLastPInvokeError() == 22) return null;
                    if (Marshal.GetLastPInvokeError() is not (Libc.Eintr or 103)) _ = Libc.Poll(null, 0, 100);
                    continue;
                }
                SafeFileHandle handle = new(peer, ownsHandle: true);
                uint? user = LocalSocket.PeerUser(peer);
                if (user == 0 || user == Libc.EffectiveUser()) return new LocalConnection(handle);
                handle.Dispose();
            }
        }
        catch (ObjectDisposedException)
        {
            return null;
        }
        finally
        {
            if (held) _socket.DangerousRelease();
        }
    }

    /// <summary>Ends <see cref="Accept"/> and removes the socket.</summary>
    public void Dispose()
    {
        if (_socket.IsClosed) return;
        _ = Libc.Shutdown((int)_socket.DangerousGetHandle(), Libc.ShutdownBoth);
        _socket.Dispose();
        File.Delete(_path);
    }
}
