using System;
using System.Globalization;
using Hutch.Host.Time;

namespace Hutch.Cli.Debian;

/// <summary>How far the making of an image is: on a terminal a line that is written over and over, with rate and time left; elsewhere a line for each stage and each quarter.</summary>
/// <param name="say">Writes a whole line.</param>
/// <param name="draw">Writes text as it is; null where there is no terminal.</param>
/// <param name="clock">Source of time.</param>
internal sealed class BuildProgress(Action<string> say, Action<string>? draw, IClock clock)
{
    /// <summary>Units of a stage.</summary>
    internal const string Bytes = "MB", Steps = "steps", Share = "%";

    private const long DrawNanoseconds = 200_000_000;
    private const double Mega = 1e6;

    private string _stage = "", _unit = "";
    private long _begun, _drawn, _first;
    private int _quarter;
    private bool _isOpen;

    /// <summary>A stage begins; nothing when it is the one that goes on.</summary>
    internal void Begin(string stage, string unit)
    {
        if (_stage == stage) return;
        Close();
        (_stage, _unit, _begun, _drawn, _first, _quarter) = (stage, unit, clock.MonotonicNanoseconds, 0, -1, 0);
        if (draw is null) say($"debian: {stage}.");
        else Draw("");
    }

    /// <summary>So much of so much is done.</summary>
    internal void Report(long done, long all)
    {
        if (_first < 0) _first = done;
        long now = clock.MonotonicNanoseconds;
        if (draw is null)
        {
            int quarter = all > 0 ? (int)(4 * done / all) : 0;
            if (quarter > _quarter && quarter < 4) say($"debian: {_stage}: {Describe(done, all, (now - _begun) / 1e9)}");
            _quarter = Math.Max(quarter, _quarter);
        }
        else if (now - _drawn >= DrawNanoseconds || done == all)
        {
            _drawn = now;
            Draw(Describe(done, all, (now - _begun) / 1e9));
        }
    }

    /// <summary>All is done, or given up.</summary>
    internal void Close()
    {
        if (_isOpen) draw!("\n");
        _isOpen = false;
    }

    // What was done before the stage went on again took no time of it.
    private string Describe(long done, long all, double seconds)
    {
        string text = _unit == Bytes ? string.Create(CultureInfo.InvariantCulture, $"{done / Mega:F1} of {all / Mega:F1} MB") : _unit == Share ? $"{100 * done / Math.Max(all, 1)} %" : $"{done} of {all}";
        double rate = seconds > 0.5 ? (done - _first) / seconds : 0;
        if (rate <= 0) return text;
        if (_unit == Bytes) text += string.Create(CultureInfo.InvariantCulture, $", {rate / Mega:F1} MB/s");
        return text + string.Create(CultureInfo.InvariantCulture, $", {Math.Ceiling((all - done) / rate):F0} s left");
    }

    private void Draw(string text)
    {
        _isOpen = true;
        draw!($"\rhutch: debian: {_stage} {text}\u001b[K");
    }
}
