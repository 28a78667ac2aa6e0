using System;
using System.Buffers.Binary;
using System.Threading;
using Hutch.Devices.Virtio.Queue;

namespace Hutch.Devices.Virtio.Block;

/// <summary>
/// One queue of a disk: takes requests, keeps as many in flight as the driver wants, and gives them back in the order in which they complete.
/// Everything is done by the queue's worker, or by whoever made it quiet, but <see cref="Completed"/>, which any thread calls.
/// </summary>
internal sealed class BlockQueue
{
    // Completions that gather before the driver is told, so that one wake-up serves several.
    private const int BatchSize = 16;

    private readonly VirtioBlock _disk;
    private readonly VirtQueue _queue;
    private readonly QueueWorker _worker;
    private readonly int _index;
    private readonly object _gate = new();
    private readonly Lock _drainer = new();
    private BlockRequest? _free, _held, _lastHeld;
    private BlockRequest? _completed;
    private int _made, _inFlight, _pushed;
    private bool _waitsForTime;
    private volatile bool _awake, _draining, _retry;

    internal BlockQueue(VirtioBlock disk, VirtQueue queue, QueueWorker worker, int index)
    {
        _disk = disk;
        _queue = queue;
        _worker = worker;
        _index = index;
    }

    /// <summary>Storage failed a request, which waits to be made again.</summary>
    internal bool HoldsRequests => Volatile.Read(ref _held) is not null;

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
    internal void Completed(BlockRequest request)
    {
        BlockRequest? earlier = Volatile.Read(ref _completed);
        while (true)
        {
            request.Next = earlier;
            BlockRequest? seen = Interlocked.CompareExchange(ref _completed, request, earlier);
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

    /// <summary>Forgets the requests that storage failed: the driver was reset. The worker is quiet.</summary>
    internal void DropHeld()
    {
        while (TakeHeld() is BlockRequest request) Free(request);
    }

    /// <summary>The heads of the chains of held requests, in the order in which they failed. The worker is quiet.</summary>
    internal byte[] SaveHeld()
    {
        int count = 0;
        for (BlockRequest? request = _held; request is not null; request = request.Next) count++;
        byte[] heads = new byte[2 * count];
        count = 0;
        for (BlockRequest? request = _held; request is not null; request = request.Next, count += 2)
            BinaryPrimitives.WriteUInt16LittleEndian(heads.AsSpan(count), request.Chain.Head);
        return heads;
    }

    /// <summary>Takes saved requests again. False when they are not what can have been saved. The worker is quiet.</summary>
    internal bool RestoreHeld(ReadOnlySpan<byte> heads)
    {
        DropHeld();
        for (; heads.Length >= 2; heads = heads[2..])
        {
            if (!HasRoom) return false;
            BlockRequest request = Take();
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
            if (_disk.Limits is { } limits && !limits.MayBegin())
            {
                _waitsForTime = true;
                break;
            }
            BlockRequest request = Take();
            QueueStatus status = _queue.TryPop(request.Chain);
            if (status == QueueStatus.Popped && request.Read())
            {
                any = true;
                if (request.TransferBytes >= 0) _disk.Limits?.Charge(request.TransferBytes);
                Run(request, request.Advance());
                // What completes late must not wait for what takes long to begin.
                if (Volatile.Read(ref _completed) is not null) break;
                continue;
            }
            if (status != QueueStatus.Empty) _disk.Transport.NeedsReset();
            Free(request);
            break;
        }
        return any;
    }

    private bool TakeCompleted()
    {
        BlockRequest? request = Reversed(Interlocked.Exchange(ref _completed, null));
        bool any = request is not null;
        while (request is not null)
        {
            BlockRequest? next = request.Next;
            _inFlight--;
            Run(request, request.Continue());
            request = next;
        }
        return any;
    }

    // The oldest first: completions are pushed in front of each other.
    private static BlockRequest? Reversed(BlockRequest? list)
    {
        BlockRequest? reversed = null;
        while (list is not null)
        {
            BlockRequest? next = list.Next;
            list.Next = reversed;
            (reversed, list) = (list, next);
        }
        return reversed;
    }

    private void Run(BlockRequest request, bool finished)
    {
        if (!finished) _inFlight++;
        else if (request.Failure is not null && _disk.Errors.MustHold(request)) Hold(request);
        else Finish(request);
    }

    private void Finish(BlockRequest request)
    {
        long statusOffset = request.Chain.WritableBytes - 1, written = request.WrittenBytes;
        _ = request.Chain.TryWrite(statusOffset, [request.Status]);
        // The length counts bytes written from the first one on (§2.7.8.2): after a failure there may be a hole before the status.
        _queue.PushUsed(request.Chain.Head, written == statusOffset ? (uint)(statusOffset + 1) : (uint)written);
        Free(request);
        if (++_pushed % BatchSize == 0) Interrupt();
    }

    private void Interrupt()
    {
        if (_queue.ShouldInterrupt()) _disk.Transport.InterruptQueue(_index);
    }

    private void Retry()
    {
        _retry = false;
        BlockRequest? request = _held;
        _held = _lastHeld = null;
        while (request is not null)
        {
            BlockRequest? next = request.Next;
            request.Rewind();
            Run(request, request.Advance());
            request = next;
        }
    }

    private void Hold(BlockRequest request)
    {
        request.Next = null;
        if (_lastHeld is null) _held = request;
        else _lastHeld.Next = request;
        _lastHeld = request;
    }

    private BlockRequest? TakeHeld()
    {
        BlockRequest? request = _held;
        if (request is null) return null;
        _held = request.Next;
        if (_held is null) _lastHeld = null;
        return request;
    }

    private BlockRequest Take()
    {
        if (_free is not BlockRequest request)
        {
            _made++;
            return new BlockRequest(_disk, _queue.MaxSize, Completed);
        }
        _free = request.Next;
        return request;
    }

    private void Free(BlockRequest request)
    {
        request.Next = _free;
        _free = request;
    }
}
