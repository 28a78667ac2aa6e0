using System;
using System.Threading;
using Hutch.Host.Events;

namespace Hutch.Devices.Serial;

/// <summary>
/// Gathers output so that a character costs the vCPU a store, and writes it to the channel from a thread of its own, about a
/// millisecond later. A channel that does not take its bytes fills the buffer; the guest then sees a transmitter that is not ready.
/// </summary>
internal sealed class SerialOutput : IDisposable
{
    private const int CapacityBytes = 64 * 1024, SlackBytes = 256, GatherMilliseconds = 1;

    private readonly object _gate = new();
    private readonly Lock _writeGate = new();
    private readonly ICharacterChannel _channel;
    private readonly Action _drained;
    private readonly Thread _thread;
    private byte[] _pending = new byte[CapacityBytes + SlackBytes], _writing = new byte[CapacityBytes + SlackBytes];
    private int _count;
    private bool _started, _ended, _wasFull;

    /// <summary>Creates the buffer. <paramref name="drained"/> runs with no lock held when there is room again after the buffer was full.</summary>
    public SerialOutput(string name, ICharacterChannel channel, Action drained)
    {
        _channel = channel;
        _drained = drained;
        _thread = new Thread(Run) { IsBackground = true, Name = name + " output" };
    }

    /// <summary>Takes a byte; false when there is no room for a next one. With no room at all the byte is lost, as in an overrun FIFO.</summary>
    public bool Put(byte value)
    {
        lock (_gate)
        {
            if (_count < _pending.Length) _pending[_count++] = value;
            if (_count == 1) Monitor.Pulse(_gate);
            if (_count < CapacityBytes) return true;
            _wasFull = true;
            return false;
        }
    }

    /// <summary>Starts the thread, once.</summary>
    public void Start()
    {
        lock (_gate)
        {
            if (_started || _ended) return;
            _started = true;
        }
        _thread.Start();
    }

    /// <summary>Writes out what is gathered, on the caller's thread.</summary>
    public void Flush()
    {
        bool wasFull;
        lock (_writeGate)
        {
            int count;
            lock (_gate)
            {
                (_pending, _writing) = (_writing, _pending);
                count = _count;
                _count = 0;
                wasFull = _wasFull;
                _wasFull = false;
            }
            if (count != 0) _channel.Write(_writing.AsSpan(0, count));
        }
        if (wasFull) _drained();
    }

    /// <summary>Writes out the rest and ends the thread.</summary>
    public void Dispose()
    {
        bool started;
        lock (_gate)
        {
            if (_ended) return;
            _ended = true;
            started = _started;
            Monitor.PulseAll(_gate);
        }
        if (started) _thread.Join();
        Flush();
    }

    private void Run()
    {
        while (true)
        {
            lock (_gate)
            {
                while (_count == 0 && !_ended) Monitor.Wait(_gate);
                if (_ended) return;
                Monitor.Wait(_gate, GatherMilliseconds);
            }
            Flush();
        }
    }
}
