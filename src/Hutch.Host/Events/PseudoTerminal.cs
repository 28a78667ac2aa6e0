using System;
using System.Globalization;
using System.IO;
using Hutch.Host.Linux;
using Microsoft.Win32.SafeHandles;

namespace Hutch.Host.Events;

/// <summary>
/// A pseudo-terminal (pty(7)) whose other end anybody of this user may open and close, by a symbolic link that leads to it. Output while nobody has it open is dropped, as on an open wire.
/// </summary>
public sealed unsafe class PseudoTerminal : IPatientChannel
{
    // While nobody has the other end open the kernel tells of nothing; a program that opens it is noticed after this time.
    private const int LookMs = 500;
    private const nuint GetNumber = 0x80045430, SetLock = 0x40045431;
    private const int HowToOpen = Libc.OpenReadWrite | Libc.OpenNoCtty | Libc.OpenNonBlock | Libc.OpenCloexec;

    private readonly SafeFileHandle _controller;
    private readonly string _link;
    private readonly OutputPump _output;
    private readonly EventFd _wake = EventFd.Create("Pseudo-terminal");
    private readonly System.Threading.Thread _thread;
    private volatile ReceiveBytes? _receive;
    private volatile InputPump? _input;
    private volatile bool _stopping;

    /// <summary>Opens one in raw mode. A link of that name is replaced. Throws <see cref="IOException"/> or <see cref="LinuxException"/>.</summary>
    /// <param name="link">Path of the link, in a folder that is there.</param>
    public PseudoTerminal(string link)
    {
        _link = link;
        _controller = new SafeFileHandle(Open("/dev/ptmx"), ownsHandle: true);
        try
        {
            int number = 0, locked = 0;
            // SAFETY: the kernel reads or writes one int on this frame (ioctl_tty(2)).
            if (Libc.Ioctl(Descriptor, SetLock, (nuint)(&locked)) < 0 || Libc.Ioctl(Descriptor, GetNumber, (nuint)(&number)) < 0) LinuxException.ThrowLast("ioctl", "/dev/ptmx");
            Path = $"/dev/pts/{number.ToString(CultureInfo.InvariantCulture)}";
            MakeRaw();
            if (new FileInfo(link) is { LinkTarget: not null }) File.Delete(link);
            File.CreateSymbolicLink(link, Path);
        }
        catch
        {
            _controller.Dispose();
            _wake.Dispose();
            throw;
        }
        _output = new OutputPump("terminal-output", Send);
        _thread = new System.Threading.Thread(Watch, 128 * 1024) { IsBackground = true, Name = "terminal" };
        _thread.Start();
    }

    /// <summary>Path of the end that others open.</summary>
    public string Path { get; }

    private int Descriptor => (int)_controller.DangerousGetHandle();

    private bool IsOpened => !OpenFile.HasHungUp(Descriptor);

    /// <inheritdoc/>
    public void Write(ReadOnlySpan<byte> data)
    {
        if (IsOpened) _output.Write(data);
    }

    /// <inheritdoc/>
    public void StartInput(ReceiveBytes receive) => _receive = receive;

    /// <inheritdoc/>
    public void ResumeInput() => _input?.Resume();

    /// <inheritdoc/>
    public void LosePatience() => _output.LosePatience();

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_stopping) return;
        _stopping = true;
        _output.LosePatience();
        _output.Dispose();
        _wake.Signal();
        _thread.Join();
        _controller.Dispose();
        _wake.Dispose();
        File.Delete(_link);
    }

    private static int Open(string path)
    {
        int descriptor = Libc.Open(path, HowToOpen, 0);
        if (descriptor < 0) LinuxException.ThrowLast("open", path);
        return descriptor;
    }

    // Set once on the other end, the mode stays with the terminal.
    private void MakeRaw()
    {
        using SafeFileHandle other = new(Open(Path), ownsHandle: true);
        Termios mode;
        // SAFETY: one structure on this frame.
        if (Libc.GetAttributes((int)other.DangerousGetHandle(), &mode) != 0) LinuxException.ThrowLast("tcgetattr", Path);
        Libc.MakeRaw(&mode);
        if (Libc.SetAttributes((int)other.DangerousGetHandle(), Libc.TcsaNow, &mode) != 0) LinuxException.ThrowLast("tcsetattr", Path);
    }

    // Somebody who has it open and does not read must not hold the guest up for ever.
    private bool Send(ReadOnlySpan<byte> data, int patienceMs)
    {
        if (IsOpened) _ = OpenFile.WriteAll(Descriptor, data, patienceMs < 0 ? LookMs : Math.Min(patienceMs, LookMs));
        return true;
    }

    private void Watch()
    {
        while (!_stopping)
        {
            if (!IsOpened)
            {
                _ = OpenFile.Wait(-1, 0, _wake, LookMs);
                continue;
            }
            using System.Threading.ManualResetEventSlim ended = new();
            using InputPump input = new("terminal-input", Descriptor, data => _receive?.Invoke(data) ?? data.Length, filter: null, alwaysRead: false, ended: ended.Set);
            _input = input;
            while (!_stopping && !ended.Wait(LookMs)) { }
            _input = null;
        }
    }
}
