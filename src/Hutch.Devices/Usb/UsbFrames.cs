using System;
using Hutch.Core.State;
using Hutch.Host.Time;

namespace Hutch.Devices.Usb;

/// <summary>
/// The frames of a controller without doorbells, 1 ms each by the machine's clock, and when it looks at its schedule: at the end of each frame while there is something to do, then seldom,
/// for many frames at once. While no device has anything to say the frames between leave no trace. Under the controller's lock, but for the timer's call.
/// </summary>
/// <param name="timers">The machine's clock.</param>
/// <param name="name">The controller's name.</param>
/// <param name="look">Carries out the frames that have passed; it takes the lock itself.</param>
internal sealed class UsbFrames(ITimerService timers, string name, Action look) : IDisposable
{
    private const long FrameNanoseconds = 1_000_000, LatestNanoseconds = long.MaxValue / 2;

    // Frames from one look to the next while nothing happens: what the guest queues then waits as long. And the most that are made up for when the host was late.
    private const int LongestGap = 32, MostFrames = 64;

    // Looks at every frame before the gaps grow: a report that came goes with the next transfer of its endpoint, eight frames away at the most.
    private const int PatientLooks = 8;

    private readonly IHostTimer _timer = timers.CreateTimer(name, look);
    private long _began, _carriedOut;
    private int _gap = 1, _patience;

    /// <summary>Nanoseconds since the first frame began.</summary>
    internal long Nanoseconds => Math.Max(0, timers.Clock.MonotonicNanoseconds - _began);

    /// <summary>The frame that goes on now, from 0.</summary>
    internal long Number => Nanoseconds / FrameNanoseconds;

    /// <summary>Frame 0 begins.</summary>
    internal void Begin()
    {
        (_began, _carriedOut) = (timers.Clock.MonotonicNanoseconds, 0);
        LookSoon();
    }

    /// <summary>A frame up to <paramref name="last"/> that was not carried out yet, the eldest first; it counts as carried out.</summary>
    internal bool TryTake(long last, out long frame)
    {
        frame = _carriedOut = Math.Max(_carriedOut, last - MostFrames);
        if (frame > last) return false;
        _carriedOut++;
        return true;
    }

    /// <summary>There may be something to do: looks at every frame for a while.</summary>
    internal void LookSoon()
    {
        _patience = PatientLooks;
        Arm(1);
    }

    /// <summary>Looks again.</summary>
    /// <param name="something">Something happened in the frames that were carried out.</param>
    internal void LookAgain(bool something)
    {
        if (something) LookSoon();
        else Arm(_patience-- > 0 ? 1 : Math.Min(2 * _gap, LongestGap));
    }

    /// <summary>No look comes any more.</summary>
    internal void Stop() => _timer.Disarm();

    /// <summary>The controller was reset.</summary>
    internal void Reset()
    {
        Stop();
        (_began, _carriedOut) = (0, 0);
    }

    /// <summary>Saves or restores them; what looks is armed when the machine starts.</summary>
    internal void Exchange(StateFields fields)
    {
        fields.Value("began", ref _began, 0, LatestNanoseconds);
        fields.Value("carried-out", ref _carriedOut, 0, LatestNanoseconds);
    }

    /// <inheritdoc/>
    public void Dispose() => _timer.Dispose();

    private void Arm(int gap)
    {
        _gap = gap;
        _timer.Arm(_began + ((Number + gap) * FrameNanoseconds));
    }
}
