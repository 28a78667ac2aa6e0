using System;
using System.Threading;
using Hutch.Devices.Virtio.Queue;

namespace Hutch.Devices.Ata;

/// <summary>Commands of a controller whose storage is done, on their way back to its worker.</summary>
/// <param name="worker">Is told that there are some.</param>
/// <param name="goOn">Goes on with a command, on the worker or on who made it quiet.</param>
internal sealed class AtaCompletions<T>(QueueWorker worker, Action<T> goOn) where T : AtaRequest
{
    private readonly object _gate = new();
    private AtaRequest? _first;

    /// <summary>An operation of a command completed. Any thread.</summary>
    internal void Add(T request)
    {
        lock (_gate)
        {
            request.Next = _first;
            _first = request;
            Monitor.PulseAll(_gate);
        }
        worker.Signal();
    }

    /// <summary>Goes on with those that there are. True: there were some. The worker, or who made it quiet.</summary>
    internal bool Take()
    {
        AtaRequest? request;
        lock (_gate) (request, _first) = (_first, null);
        bool any = request is not null;
        while (request is not null)
        {
            AtaRequest? next = request.Next;
            goOn((T)request);
            request = next;
        }
        return any;
    }

    /// <summary>Waits until nothing is in flight any more, and goes on with all that completes meanwhile. The worker is quiet.</summary>
    /// <param name="isInFlight">Storage works for some command.</param>
    internal void Drain(Func<bool> isInFlight)
    {
        while (true)
        {
            _ = Take();
            if (!isInFlight()) return;
            lock (_gate)
                while (_first is null) Monitor.Wait(_gate);
        }
    }
}
