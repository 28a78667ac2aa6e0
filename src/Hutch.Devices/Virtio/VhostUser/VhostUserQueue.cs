using Hutch.Devices.Virtio.Queue;

namespace Hutch.Devices.Virtio.VhostUser;

/// <summary>
/// One queue of the guest's and the back end's beside it: chains go from the one to the other as long as there is room, and come back in the order in which the back end has done them.
/// The worker's, or of whoever made it quiet.
/// </summary>
internal sealed class VhostUserQueue(VhostUserDevice device, int index, QueueWorker worker, BackendQueue backend)
{
    // Chains that are taken before other queues have their turn.
    private const int MostInARow = 32;

    private readonly VirtQueue _queue = device.Queues[index];
    private BouncedRequest? _free;

    /// <summary>Gives back what the back end has done, and takes what is new. True: there is more to take.</summary>
    internal bool Serve()
    {
        _queue.DisableNotifications();
        TakeDone();
        int taken = 0;
        bool isFull = false;
        while (!worker.ShouldYield && taken < MostInARow && TakeNext(out isFull)) taken++;
        if (taken != 0 && !device.IsLost) backend.Wake();
        Interrupt();
        return taken == MostInARow || (!isFull && _queue.EnableNotifications());
    }

    /// <summary>What is at the back end fails: it is gone.</summary>
    internal void Fail()
    {
        while (backend.Ring.TakeAny() is BouncedRequest request)
        {
            if (!request.IsForgotten) _queue.PushUsed(request.Chain.Head, device.Refuse(request.Chain));
            Free(request);
        }
        Interrupt();
    }

    /// <summary>The driver was reset: what is at the back end belongs to nobody when it comes back.</summary>
    internal void Forget() => backend.Ring.Forget();

    private void TakeDone()
    {
        while (!device.IsLost)
        {
            BackendAnswer answer = backend.Ring.TryTake(out BouncedRequest request, out uint writtenBytes);
            if (answer == BackendAnswer.Broken) device.Lose("does not keep the rules of its rings");
            if (answer != BackendAnswer.Taken) return;
            if (!request.IsForgotten)
            {
                backend.CopyOut(request, device.CopiedBytes(request.Chain, writtenBytes));
                _queue.PushUsed(request.Chain.Head, writtenBytes);
            }
            backend.Release(request);
            Free(request);
        }
    }

    // False when there is nothing, or no room.
    private bool TakeNext(out bool isFull)
    {
        isFull = false;
        BouncedRequest request = Take();
        QueueStatus status = _queue.TryPop(request.Chain);
        if (status == QueueStatus.Popped && !device.IsLost && request.TryArrange(backend.MostPages))
        {
            if (backend.TrySubmit(request)) return true;
            isFull = true;
            _queue.UndoPop();
        }
        else if (status == QueueStatus.Popped)
        {
            _queue.PushUsed(request.Chain.Head, device.Refuse(request.Chain));
        }
        else if (status == QueueStatus.Broken)
        {
            device.Transport.NeedsReset();
        }
        Free(request);
        return status == QueueStatus.Popped && !isFull;
    }

    private void Interrupt()
    {
        if (_queue.ShouldInterrupt()) device.Transport.InterruptQueue(index);
    }

    private BouncedRequest Take()
    {
        if (_free is not BouncedRequest request) return new BouncedRequest(_queue.MaxSize);
        _free = request.Next;
        request.IsForgotten = false;
        return request;
    }

    private void Free(BouncedRequest request)
    {
        request.Next = _free;
        _free = request;
    }
}
