using System;
using System.Threading;

namespace Hutch.Host.Events;

/// <summary>Carries bytes out; false when the peer is gone and everything further is to be dropped.</summary>
/// <param name="data">The bytes.</param>
/// <param name="patienceMs">How long to wait for a slow peer, in milliseconds; -1: for ever.</param>
internal delegate bool SendBytes(ReadOnlySpan<byte> data, int patienceMs);

/// <summary>
/// The outgoing half of a channel: a buffer and a thread that empties it. A guest that prints byte by byte costs one
/// wake-up for each burst, not for each byte. Output stays in order and none is lost while the peer reads.
/// </summary>
internal sealed class OutputPump : IDisposable
{
    // Where a guest is faster than the peer it waits here, as it would for a slow wire.
    private const int FullBytes = 256 * 1024;

    // A burst is collected for this long before it is sent, unless it grows beyond one write's worth.
    private const int CollectMs = 1;
    private const int EnoughBytes = 16 * 1024;

    private readonly object _gate = new();
    private readonly SendBytes _send;
    private readonly Thread _thread;
    private byte[] _filling = new byte[4096];
    private byte[] _sending = new byte[4096];
    private int _filled;
    private bool _idle = true;
    private bool _closing;
    private bool _broken;
    private int _patienceMs = -1;

    /// <summary>Starts the thread. <paramref name="send"/> is called on it only.</summary>
    internal OutputPump(string name, SendBytes send)
    {
        _send = send;
        _thread = new Thread(Loop, 128 * 1024) { IsBackground = true, Name = name };
        _thread.Start();
    }

    /// <summary>Queues bytes; waits only while the peer is far behind.</summary>
    internal void Write(ReadOnlySpan<byte> data)
    {
        lock (_gate)
        {
            while (_filled >= FullBytes && !_broken && _patienceMs < 0) Monitor.Wait(_gate);
            if (_broken || _closing || _filled >= FullBytes) return;
            if (_filled + data.Length > _filling.Length) Array.Resize(ref _filling, Math.Max(_filling.Length * 2, _filled + data.Length));
            data.CopyTo(_filling.AsSpan(_filled));
            bool enough = _filled < EnoughBytes && _filled + data.Length >= EnoughBytes;
            _filled += data.Length;
            if (!_idle && !enough) return;
            _idle = false;
            Monitor.PulseAll(_gate);
        }
    }

    /// <summary>From now on nobody waits for a stuck peer: a write that finds no room is dropped, and the last flush is bounded.</summary>
    internal void LosePatience()
    {
        lock (_gate)
        {
            _patienceMs = 500;
            Monitor.PulseAll(_gate);
        }
    }

    /// <summary>Sends what is left and ends the thread.</summary>
    public void Dispose()
    {
        lock (_gate)
        {
            _closing = true;
            _idle = false;
            Monitor.PulseAll(_gate);
        }
        _thread.Join();
    }

    private void Loop()
    {
        while (Take(out int length, out int patienceMs))
        {
            bool alive = _send(_sending.AsSpan(0, length), patienceMs);
            if (alive) continue;
            lock (_gate)
            {
                _broken = true;
                _filled = 0;
                Monitor.PulseAll(_gate);
            }
        }
    }

    private bool Take(out int length, out int patienceMs)
    {
        lock (_gate)
        {
            while (_filled == 0)
            {
                if (_closing)
                {
                    length = patienceMs = 0;
                    return false;
                }
                _idle = true;
                Monitor.Wait(_gate);
            }
            if (!_closing && _filled < EnoughBytes) Monitor.Wait(_gate, CollectMs);
            (_filling, _sending) = (_sending, _filling);
            length = _filled;
            patienceMs = _patienceMs;
            _filled = 0;
            Monitor.PulseAll(_gate);
            return true;
        }
    }
}
