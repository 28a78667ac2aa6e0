using System;
using System.Threading;
using Hutch.Host.Linux;

namespace Hutch.Host.Events;

/// <summary>
/// A terminal in raw mode until disposed. The saved mode comes back exactly once, whichever of the exit paths comes first:
/// disposal, the end of the process by an exception, or by Environment.Exit. (Signals are turned into an orderly end by their
/// owner; SIGKILL cannot be.)
/// </summary>
public sealed unsafe class RawTerminal : IDisposable
{
    private readonly int _fd;
    private readonly Termios _saved;
    private readonly EventHandler _atExit;
    private readonly UnhandledExceptionEventHandler _atCrash;
    private int _restored;

    private RawTerminal(int fd, Termios saved)
    {
        _fd = fd;
        _saved = saved;
        _atExit = (_, _) => Restore();
        _atCrash = (_, _) => Restore();
        AppDomain.CurrentDomain.ProcessExit += _atExit;
        AppDomain.CurrentDomain.UnhandledException += _atCrash;
    }

    /// <summary>Whether the descriptor is a terminal.</summary>
    public static bool IsTerminal(int fd) => Libc.IsTerminal(fd) == 1;

    /// <summary>Whether the descriptor is a terminal that shows what is written as it is.</summary>
    internal static bool IsRaw(int fd)
    {
        Termios mode;
        // SAFETY: as in Enter.
        return Libc.IsTerminal(fd) == 1 && Libc.GetAttributes(fd, &mode) == 0 && (mode.OutputFlags & Libc.OutputProcessing) == 0;
    }

    /// <summary>Puts the terminal into raw mode; null when <paramref name="fd"/> is none.</summary>
    public static RawTerminal? Enter(int fd)
    {
        Termios saved;
        // SAFETY: the calls read and write one structure on this frame, whose size a test compares with the C library's.
        if (Libc.IsTerminal(fd) != 1 || Libc.GetAttributes(fd, &saved) != 0) return null;
        RawTerminal terminal = new(fd, saved);
        Termios raw = saved;
        Libc.MakeRaw(&raw);
        _ = Libc.SetAttributes(fd, Libc.TcsaNow, &raw);
        return terminal;
    }

    /// <summary>Gives the terminal its saved mode back. Any thread; a second call does nothing.</summary>
    public void Restore()
    {
        if (Interlocked.Exchange(ref _restored, 1) != 0) return;
        Termios saved = _saved;
        // SAFETY: as in Enter.
        _ = Libc.SetAttributes(_fd, Libc.TcsaNow, &saved);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Restore();
        AppDomain.CurrentDomain.ProcessExit -= _atExit;
        AppDomain.CurrentDomain.UnhandledException -= _atCrash;
    }
}
