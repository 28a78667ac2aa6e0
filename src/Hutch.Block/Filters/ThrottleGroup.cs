using System;
using System.Threading;
using System.Threading.Tasks;

namespace Hutch.Block.Filters;

/// <summary>Limits that several nodes share. Requests of one direction pass in the order of asking.</summary>
internal sealed class ThrottleGroup : IDisposable
{
    // A timer that comes early makes the request wait once more for next to nothing. Delays are cut to milliseconds: less than one would not wait at all.
    private const double ShortestWaitSeconds = 0.001;

    private readonly Lock _lock = new();
    private readonly TimeProvider _time;
    private readonly SemaphoreSlim _reads = new(1), _writes = new(1);
    private LeakyBucket _bytesTotal, _bytesRead, _bytesWrite, _requestsTotal, _requestsRead, _requestsWrite;
    private long _requestSizeBytes, _lastLeak;

    /// <summary>Makes a group.</summary>
    internal ThrottleGroup(ThrottleLimits limits, TimeProvider time)
    {
        _time = time;
        _lastLeak = time.GetTimestamp();
        SetLimits(limits);
    }

    /// <summary>Changes the limits; what has passed is forgotten. Requests that wait go by the old limits once more at the most.</summary>
    internal void SetLimits(ThrottleLimits limits)
    {
        lock (_lock)
        {
            (_bytesTotal, _bytesRead, _bytesWrite) = (new(limits.BytesTotal), new(limits.BytesRead), new(limits.BytesWrite));
            (_requestsTotal, _requestsRead, _requestsWrite) = (new(limits.RequestsTotal), new(limits.RequestsRead), new(limits.RequestsWrite));
            _requestSizeBytes = limits.RequestSizeBytes;
        }
    }

    /// <summary>Completes when a request may go on.</summary>
    internal ValueTask PassAsync(bool isWrite, long lengthBytes, CancellationToken cancellation)
    {
        cancellation.ThrowIfCancellationRequested();
        SemaphoreSlim turn = isWrite ? _writes : _reads;
        // Nobody waits before us, and the buckets have room: at once.
        if (turn.Wait(0, CancellationToken.None))
        {
            double wait = TryPass(isWrite, lengthBytes);
            if (wait <= 0)
            {
                _ = turn.Release();
                return ValueTask.CompletedTask;
            }
            return WaitAsync(turn, isWrite, lengthBytes, wait, cancellation);
        }
        return QueueAsync(turn, isWrite, lengthBytes, cancellation);
    }

    /// <summary>Counts a request in where it may pass: 0, or the seconds until it should ask again.</summary>
    internal double TryPass(bool isWrite, long lengthBytes)
    {
        lock (_lock)
        {
            long now = _time.GetTimestamp();
            Leak(_time.GetElapsedTime(_lastLeak, now).TotalSeconds);
            _lastLeak = now;
            double wait = Math.Max(_bytesTotal.Wait(), _requestsTotal.Wait());
            wait = Math.Max(wait, isWrite ? Math.Max(_bytesWrite.Wait(), _requestsWrite.Wait()) : Math.Max(_bytesRead.Wait(), _requestsRead.Wait()));
            if (wait > 0) return wait;
            double requests = _requestSizeBytes > 0 && lengthBytes > _requestSizeBytes ? (double)lengthBytes / _requestSizeBytes : 1;
            _bytesTotal.Add(lengthBytes);
            _requestsTotal.Add(requests);
            if (isWrite)
            {
                _bytesWrite.Add(lengthBytes);
                _requestsWrite.Add(requests);
            }
            else
            {
                _bytesRead.Add(lengthBytes);
                _requestsRead.Add(requests);
            }
            return 0;
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _reads.Dispose();
        _writes.Dispose();
    }

    private async ValueTask QueueAsync(SemaphoreSlim turn, bool isWrite, long lengthBytes, CancellationToken cancellation)
    {
        await turn.WaitAsync(cancellation).ConfigureAwait(false);
        await WaitAsync(turn, isWrite, lengthBytes, TryPass(isWrite, lengthBytes), cancellation).ConfigureAwait(false);
    }

    private async ValueTask WaitAsync(SemaphoreSlim turn, bool isWrite, long lengthBytes, double wait, CancellationToken cancellation)
    {
        try
        {
            for (; wait > 0; wait = TryPass(isWrite, lengthBytes))
                await Task.Delay(TimeSpan.FromSeconds(Math.Max(wait, ShortestWaitSeconds)), _time, cancellation).ConfigureAwait(false);
        }
        finally
        {
            _ = turn.Release();
        }
    }

    private void Leak(double seconds)
    {
        _bytesTotal.Leak(seconds);
        _bytesRead.Leak(seconds);
        _bytesWrite.Leak(seconds);
        _requestsTotal.Leak(seconds);
        _requestsRead.Leak(seconds);
        _requestsWrite.Leak(seconds);
    }
}
