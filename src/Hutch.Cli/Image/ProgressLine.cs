using System;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Threading;
using Hutch.Host.Time;

namespace Hutch.Cli.Image;

/// <summary>
/// How far a command is (-p): a line that is written over and over. On a terminal it tells the rate and the time that is left too. Without -p it is told once for
/// each SIGUSR1.
/// </summary>
internal sealed class ProgressLine : IDisposable
{
    private const double Step = 0.01;
    private const long QuarterSecond = 250_000_000;
    private const int UserSignal = 10;

    private readonly Tool _tool;
    private readonly bool _isShown, _hasDetails;
    private readonly MonotonicClock _clock = new();
    private readonly long _begun;
    private double _last = -1;
    private long _lastTime;
    private readonly PosixSignalRegistration? _signal;
    private bool _isEnded, _isAsked;

    /// <summary>Begins; nothing is written unless <paramref name="isShown"/>.</summary>
    internal ProgressLine(Tool tool, bool isShown)
    {
        (_tool, _isShown) = (tool, isShown);
        _hasDetails = isShown && !tool.IsDropIn && !Console.IsOutputRedirected;
        _begun = _lastTime = _clock.MonotonicNanoseconds;
        if (isShown) Show(0);
        else _signal = PosixSignalRegistration.Create((PosixSignal)UserSignal, Ask);
    }

    /// <summary>Takes 0 to 1.</summary>
    internal Action<double> Listener => _isShown ? Show : Answer;

    /// <summary>Bytes that are all of the work, for a rate; 0 for none.</summary>
    internal long TotalBytes { get; set; }

    /// <summary>All is done.</summary>
    internal void Finish()
    {
        if (_isShown) Print(1);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _signal?.Dispose();
        if (_isShown && !_isEnded) _tool.WriteLine("");
        _isEnded = true;
    }

    private void Ask(PosixSignalContext context)
    {
        context.Cancel = true;
        Volatile.Write(ref _isAsked, true);
    }

    private void Answer(double done)
    {
        if (!Volatile.Read(ref _isAsked)) return;
        Volatile.Write(ref _isAsked, false);
        _tool.Say(string.Create(CultureInfo.InvariantCulture, $"    ({done * 100:F2}/100%)\n"));
    }

    private void Show(double done)
    {
        bool isDue = _hasDetails ? _clock.MonotonicNanoseconds - _lastTime > QuarterSecond : done > _last + Step;
        // Work that turns out to be more is told at once.
        if (_last < 0 || done < _last || isDue || (done >= 1 && _last < 1)) Print(done);
    }

    private void Print(double done)
    {
        _last = done;
        _lastTime = _clock.MonotonicNanoseconds;
        string details = "";
        double seconds = (_lastTime - _begun) / 1e9;
        if (_hasDetails && done > 0 && seconds > 0.5)
        {
            string rate = TotalBytes > 0 ? $"  {HumanSize.Short((long)(TotalBytes * done / seconds))}/s" : "";
            TimeSpan left = TimeSpan.FromSeconds(Math.Min(359999, seconds / done * (1 - done)));
            details = string.Create(CultureInfo.InvariantCulture, $"{rate}  {(int)left.TotalHours}:{left.Minutes:00}:{left.Seconds:00} left    ");
        }
        _tool.Write(string.Create(CultureInfo.InvariantCulture, $"    ({done * 100:F2}/100%){details}\r"));
        _tool.Flush();
    }
}
