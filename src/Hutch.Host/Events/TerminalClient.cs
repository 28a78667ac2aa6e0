using System;
using System.IO;
using Hutch.Host.Linux;
using Microsoft.Win32.SafeHandles;

namespace Hutch.Host.Events;

/// <summary>The end of a pseudo-terminal that a program has open, as a terminal emulator's user would: what comes from it is passed on at the taker's pace.</summary>
public sealed class TerminalClient : IDisposable
{
    private readonly SafeFileHandle _terminal;
    private readonly InputPump _input;

    /// <summary>Opens one, without making it this process's terminal. Throws <see cref="LinuxException"/>.</summary>
    /// <param name="path">Its path, such as <c>/dev/pts/3</c>.</param>
    /// <param name="receive">Gets what comes, on a thread of its own, and says how much it took; the rest is offered again.</param>
    /// <param name="ended">Called on that thread when the other end is gone.</param>
    public TerminalClient(string path, ReceiveBytes receive, Action ended)
    {
        int descriptor = Libc.Open(path, Libc.OpenReadWrite | Libc.OpenNoCtty | Libc.OpenNonBlock | Libc.OpenCloexec, 0);
        if (descriptor < 0) LinuxException.ThrowLast("open", path);
        _terminal = new SafeFileHandle(descriptor, ownsHandle: true);
        if (Libc.IsTerminal(descriptor) == 0)
        {
            _terminal.Dispose();
            throw new IOException($"{path} is no terminal.");
        }
        _input = new InputPump("terminal-client", descriptor, receive, filter: null, alwaysRead: false, ended);
    }

    /// <summary>Offers again what was not taken.</summary>
    public void Resume() => _input.Resume();

    /// <summary>Sends bytes. What the other end has no room for is dropped, as on a wire without flow control.</summary>
    public void Write(ReadOnlySpan<byte> data)
    {
        if (!_terminal.IsClosed) _ = OpenFile.WriteAll((int)_terminal.DangerousGetHandle(), data, patienceMs: 0);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _input.Dispose();
        _terminal.Dispose();
    }
}
