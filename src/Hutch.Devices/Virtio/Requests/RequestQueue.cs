using System;
using System.Buffers.Binary;
using System.Threading;
using Hutch.Core.State;
using Hutch.Devices.Virtio.Queue;

namespace Hutch.Devices.Virtio.Requests;

/// <summary>
/// One queue of requests for disks: takes them, keeps as many in flight as the driver wants, and gives them back in the order in which they complete.
/// Everything is done by the queue's worker, or by whoever made it quiet, but <see cref="Completed"/>, which any thread calls.
/// </summary>
internal sealed class RequestQueue
{
    // Completions that gather before the driver is told, so that one wake-up serves several.
    private const int BatchSize = 16;

    private readonly VirtioDevice _device;
    private readonly VirtQueue _queue;
    private readonly QueueWorker _worker;
    private readonly int _index;
    private readonly Throttle? _limits;
    private readonly Func<int, Action<StorageRequest>, StorageRequest> _make;
    private readonly Action<StorageRequest> _whenCompleted;
    private readonly object _gate = new();
    private readonly Lock _drainer = new();
    private StorageRequest? _free, _held, _lastHeld;
    private StorageRequest? _completed;
    private int _made, _inFlight, _pushed;
    private bool _waitsForTime;
    private volatile bool _awake, _draining, _retry;

    /// <summary>Makes it.</summary>
    /// <param name="device">The device.</param>
    /// <param name="index">Number of the queue.</param>
    /// <param name="worker">Who serves it.</param>
    /// <param name="limits">How much may be done; null: as much as can be.</param>
    /// <param name="make">Makes a request of so many buffers at the most, whose completions are told to the call that is given.</param>
    internal RequestQueue(VirtioDevice device, int index, QueueWorker worker, Throttle? limits, Func<int, Action<StorageRequest>, StorageRequest> make)
    {
        _device = device;
        _queue = device.Queues[index];
        _worker = worker;
        _index = index;
        _limits = limits;
        _make = make;
        _whenCompleted = Completed;
    }

    /// <summary>Storage failed requests of such a disk, which wait to be made again. The worker is quiet.</summary>
    internal bool Holds(StorageErrors disk)
    {
        for (StorageRequest? request = _held; request is not null; request = request.Next)
            if (request.Errors == disk) return true;
        return false;
    }

    /// <summary>Serves the queue until it is empty. Requests may be in flight when it returns; their completion signals the worker.</summary>
    internal void Serve()
    {
        do
        {
            _awake = true;
            if (_retry) Retry();
            do
            {
                _queue.DisableNotifications();
                while ((TakeCompleted() | TakeAvailable()) && !_worker.ShouldYield) { }
                Interrupt();
            }
            while (!_worker.ShouldYield && HasRoom && !_waitsForTime && _queue.EnableNotifications());
            _awake = false;
            // Pairs with Completed: either it sees the worker asleep, or this sees the completion.
            Interlocked.MemoryBarrier();
        }
        while (!_worker.ShouldYield && Volatile.Read(ref _completed) is not null);
    }

    /// <summary>An operation of a request completed. Any thread.</summary>
    internal void Completed(StorageRequest request)
    {
        StorageRequest? earlier = Volatile.Read(ref _completed);
        while (true)
        {
            request.Next = earlier;
            StorageRequest? seen = Interlocked.CompareExchange(ref _completed, request, earlier);
            if (seen == earlier) break;
            earlier = seen;
        }
        // Whoever put the first one there wakes the worker; it takes all. The exchange above is the fence before these flags are read.
        if (earlier is null && !_awake) _worker.Signal();
        if (!_draining) return;
        lock (_gate) Monitor.PulseAll(_gate);
    }

    /// <summary>Waits for what is in flight and gives it back. The worker is quiet.</summary>
    internal void Drain()
    {
        lock (_drainer)
        {
            _draining = true;
            Interlocked.MemoryBarrier();
            while (true)
            {
                // Not under the gate: what begins the next part of a request must not keep a completion waiting.
                _ = TakeCompleted();
                if (_inFlight == 0) break;
                lock (_gate)
                    while (Volatile.Read(ref _completed) is null) Monitor.Wait(_gate);
            }
            _draining = false;
            Interrupt();
        }
    }

    /// <summary>Requests that storage failed are made again when the worker goes on. The worker is quiet.</summary>
    internal void RetryHeld() => _retry = _held is not null;

    /// <summary>Gives back, with the answer that <paramref name="judge"/> sets, those requests that storage failed of which it says so. The worker is quiet.</summary>
    internal void AnswerHeld(Predicate<StorageRequest> judge)
    {
        StorageRequest? request = _held;
        _held = _lastHeld = null;
        while (request is not null)
        {
            StorageRequest? next = request.Next;
            if (judge(request)) Finish(request);
            else Hold(request);
            request = next;
        }
        Interrupt();
    }

    /// <summary>Forgets the requests that storage failed: the driver was reset. The worker is quiet.</summary>
    internal void DropHeld()
    {
        while (TakeHeld() is StorageRequest request) Free(request);
    }

    /// <summary>Saves or restores the requests that storage failed and that are made again when the machine goes on. The worker is quiet.</summary>
    internal void ExchangeHeld(StateFields fields, string name)
    {
        byte[] heads = fields.Blob(name, SaveHeld(), 2 * _queue.MaxSize);
        if (fields.IsRestoring) fields.Require(RestoreHeld(heads), name);
    }

    // The heads of their chains, in the order in which they failed.
    private byte[] SaveHeld()
    {
        int count = 0;
        for (StorageRequest? request = _held; request is not null; request = request.Next) count++;
        byte[] heads = new byte[2 * count];
        count = 0;
        for (StorageRequest? request = _held; request is not null; request = request.Next, count += 2)
            BinaryPrimitives.WriteUInt16LittleEndian(heads.AsSpan(count), request.Chain.Head);
        return heads;
    }

    // False when they are not what can have been saved.
    private bool RestoreHeld(ReadOnlySpan<byte> heads)
    {
        DropHeld();
        for (; heads.Length >= 2; heads = heads[2..])
        {
            if (!HasRoom) return false;
            StorageRequest request = Take();
            if (!_queue.TryTakeAgain(BinaryPrimitives.ReadUInt16LittleEndian(heads), request.Chain) || !request.Read())
            {
                Free(request);
                return false;
            }
            Hold(request);
        }
        return heads.Length == 0;
    }

    private bool HasRoom => _free is not null || _made < _queue.MaxSize;

    private bool TakeAvailable()
    {
        bool any = false;
        _waitsForTime = false;
        while (HasRoom && !_worker.ShouldYield)
        {
            if (_limits is not null && !_limits.MayBegin())
            {
                _waitsForTime = true;
                break;
            }
            StorageRequest request = Take();
            QueueStatus status = _queue.TryPop(request.Chain);
            if (status == QueueStatus.Popped && request.Read())
            {
                any = true;
                if (request.TransferBytes >= 0) _limits?.Charge(request.TransferBytes);
                Run(request, request.Advance());
                // What completes late must not wait for what takes long to begin.
                if (Volatile.Read(ref _completed) is not null) break;
                continue;
            }
            if (status != QueueStatus.Empty) _device.Transport.NeedsReset();
            Free(request);
            break;
        }
        return any;
    }

    private bool TakeCompleted()
    {
        StorageRequest? request = Reversed(Interlocked.Exchange(ref _completed, null));
        bool any = request is not null;
        while (request is not null)
        {
            StorageRequest? next = request.Next;
            _inFlight--;
            Run(request, request.Continue());
            request = next;
        }
        return any;
    }

    // The oldest first: completions are pushed in front of each other.
    private static StorageRequest? Reversed(StorageRequest? list)
    {
        StorageRequest? reversed = null;
        while (list is not null)
        {
            StorageRequest? next = list.Next;
            list.Next = reversed;
            (reversed, list) = (list, next);
        }
        return reversed;
    }

    private void Run(StorageRequest request, bool finished)
    {
        if (!finished) _inFlight++;
        else if (request.Failure is not null && request.Errors.MustHold(request)) Hold(request);
        else Finish(request);
    }

    private void Finish(StorageRequest request)
    {
        _queue.PushUsed(request.Chain.Head, request.Answer());
        Free(request);
        if (++_pushed % BatchSize == 0) Interrupt();
    }

    private void Interrupt()
    {
        if (_queue.ShouldInterrupt()) _device.Transport.InterruptQueue(_index);
    }

    private void Retry()
    {
        _retry = false;
        StorageRequest? request = _held;
        _held = _lastHeld = null;
        while (request is not null)
        {
            StorageRequest? next = request.Next;
            request.Rewind();
            Run(request, request.Advance());
            request = next;
        }
    }

    private void Hold(StorageRequest request)
    {
        request.Next = null;
        if (_lastHeld is null) _held = request;
        else _lastHeld.Next = request;
        _lastHeld = request;
    }

    private StorageRequest? TakeHeld()
    {
        StorageRequest? request = _held;
        if (request is null) return null;
        _held = request.Next;
        if (_held is null) _lastHeld = null;
        return request;
    }

    private StorageRequest Take()
    {
        if (_free is not StorageRequest request)
        {
            _made++;
            return _make(_queue.MaxSize, _whenCompleted);
        }
        _free = request.Next;
        return request;
    }

    private void Free(StorageRequest request)
    {
        request.Next = _free;
        _free = request;
    }
}
