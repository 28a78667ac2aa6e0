using System;
using System.Threading;
using Hutch.Host.Events;

namespace Hutch.Devices.Virtio.Queue;

/// <summary>
/// The thread that serves a device's queues. <see cref="Signal"/> makes it run the work once more; <see cref="Pause"/> waits until it is
/// quiet and keeps later signals for <see cref="Resume"/>. Pauses nest: the machine's stop and a device reset may overlap.
/// </summary>
internal sealed class QueueWorker : IDisposable
{
    private const int StackBytes = 256 * 1024;

    private readonly object _gate = new();
    private readonly Action _work;
    private readonly Action? _wait;
    private readonly string _name;
    private Thread? _thread;
    private int _signalled;
    private volatile int _pauses = 1;       // created paused
    private bool _busy;
    private bool _started;
    private bool _ended;

    /// <summary>Creates a paused worker.</summary>
    /// <param name="name">Name of the thread.</param>
    /// <param name="work">Must not throw and looks at <see cref="ShouldYield"/> in long loops.</param>
    /// <param name="wait">Sleeps until <see cref="Doorbell"/> has a count, which it leaves, or until there is other work; null: only the doorbell brings work.</param>
    internal QueueWorker(string name, Action work, Action? wait = null)
    {
        _name = name;
        _work = work;
        _wait = wait;
        Doorbell = EventFd.Create($"Device {name}");
    }

    /// <summary>What the worker waits for. The kernel may signal it where the engine has doorbells.</summary>
    internal EventFd Doorbell { get; }

    /// <summary>The work should return soon; what is left is done after <see cref="Resume"/>.</summary>
    internal bool ShouldYield => _pauses != 0;

    /// <summary>There is work. Any thread; cheap when the worker already knows.</summary>
    internal void Signal()
    {
        if (Interlocked.Exchange(ref _signalled, 1) == 0) Doorbell.Signal();
    }

    /// <summary>The machine runs: lets the worker work. The machine's owner calls it and <see cref="Stop"/>, in any order.</summary>
    internal void Start()
    {
        if (!_started) Resume();
        _started = true;
    }

    /// <summary>The machine stops: returns when the worker is quiet.</summary>
    internal void Stop()
    {
        if (_started) Pause();
        _started = false;
    }

    /// <summary>Returns when the worker is quiet. Not from the work itself.</summary>
    internal void Pause()
    {
        lock (_gate)
        {
            _pauses++;
            while (_busy) Monitor.Wait(_gate);
        }
    }

    /// <summary>Undoes one <see cref="Pause"/> and looks for work, because a pause may have cut some short.</summary>
    internal void Resume()
    {
        lock (_gate)
        {
            if (_pauses == 0 || --_pauses != 0 || _ended) return;
            if (_thread is null)
            {
                _thread = new Thread(Run, StackBytes) { Name = _name, IsBackground = true };
                _thread.Start();
            }
            Monitor.PulseAll(_gate);
        }
        Doorbell.Signal();
    }

    /// <summary>Ends the thread after the work in progress.</summary>
    public void Dispose()
    {
        lock (_gate)
        {
            _ended = true;
            _pauses++;
            Monitor.PulseAll(_gate);
        }
        // The event is left to its finaliser: whoever still holds the device may signal it late.
        Doorbell.Signal();
        _thread?.Join();
    }

    private void Run()
    {
        while (true)
        {
            if (_wait is null)
            {
                Doorbell.Wait();
            }
            else
            {
                _wait();
                _ = Doorbell.Drain();
            }
            lock (_gate)
            {
                while (_pauses != 0 && !_ended) Monitor.Wait(_gate);
                if (_ended) return;
                _busy = true;
                // Cleared before the work looks, so that a signal during the work leads to another round.
                Interlocked.Exchange(ref _signalled, 0);
            }
            _work();
            lock (_gate)
            {
                _busy = false;
                Monitor.PulseAll(_gate);
            }
        }
    }
}
