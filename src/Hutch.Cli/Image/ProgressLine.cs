using System;
using System.Globalization;
using Hutch.Host.Time;

namespace Hutch.Cli.Image;

/// <summary>How far a command is (-p): a line that is written over and over. On a terminal it tells the rate and the time that is left too.</summary>
internal sealed class ProgressLine : IDisposable
{
    private const double Step = 0.01;
    private const long QuarterSecond = 250_000_000;

    private readonly Tool _tool;
    private readonly bool _isShown, _hasDetails;
    private readonly MonotonicClock _clock = new();
    private readonly long _begun;
    private double _last = -1;
    private long _lastTime;
    private bool _isEnded;

    /// <summary>Begins; nothing is written unless <paramref name="isShown"/>.</summary>
    internal ProgressLine(Tool tool, bool isShown)
    {
        (_tool, _isShown) = (tool, isShown);
        _hasDetails = isShown && !tool.IsDropIn && !Console.IsOutputRedirected;
        _begun = _lastTime = _clock.MonotonicNanoseconds;
        if (isShown) Show(0);
    }

    /// <summary>Takes 0 to 1; null where nothing is shown.</summary>
    internal Action<double>? Listener => _isShown ? Show : null;

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
        if (_isShown && !_isEnded) _tool.WriteLine("");
        _isEnded = true;
    }

    private void Show(double done)
    {
        bool isDue = _hasDetails ? _clock.MonotonicNanoseconds - _lastTime > QuarterSecond : done > _last + Step;
        if (_last < 0 || isDue || (done >= 1 && _last < 1)) Print(done);
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
