using System;
using System.Threading;
using Hutch.Host.Time;

namespace Hutch.Devices.Virtio.Requests;

/// <summary>
/// The limits of a disk's reads and writes. A request begins when time has paid for those before it, up to a tenth of a second in advance; until then it stays
/// in the guest's ring, so that nothing waits inside the disk when the machine stops. Any worker of the disk.
/// </summary>
internal sealed class Throttle : IDisposable
{
    private const long Second = 1_000_000_000, Advance = Second / 10;

    private readonly Lock _lock = new();
    private readonly IClock _clock;
    private readonly IHostTimer _timer;
    private readonly long _bytesPerSecond, _operationsPerSecond;
    private long _bytesPaidAt, _operationsPaidAt;

    /// <summary>Makes limits; 0 is none. <paramref name="resume"/> is called, on a thread of the timers, when requests may begin again.</summary>
    internal Throttle(ITimerService timers, string name, long bytesPerSecond, long operationsPerSecond, Action resume)
    {
        _clock = timers.Clock;
        _timer = timers.CreateTimer($"{name} limits", resume);
        _bytesPerSecond = bytesPerSecond;
        _operationsPerSecond = operationsPerSecond;
    }

    /// <summary>Whether a request may begin now. If not, the resume call will come.</summary>
    internal bool MayBegin()
    {
        lock (_lock)
        {
            long at = Math.Max(_bytesPaidAt, _operationsPaidAt) - Advance;
            if (at <= _clock.MonotonicNanoseconds) return true;
            _timer.Arm(at);
            return false;
        }
    }

    /// <summary>A read or write of so many bytes, at most 4 GiB, began.</summary>
    internal void Charge(long bytes)
    {
        lock (_lock)
        {
            long now = _clock.MonotonicNanoseconds;
            if (_bytesPerSecond != 0) _bytesPaidAt = Math.Max(_bytesPaidAt, now) + (bytes * Second / _bytesPerSecond);
            if (_operationsPerSecond != 0) _operationsPaidAt = Math.Max(_operationsPaidAt, now) + (Second / _operationsPerSecond);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _timer.Dispose();
}
