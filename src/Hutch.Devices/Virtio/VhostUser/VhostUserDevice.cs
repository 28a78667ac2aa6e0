using System;
using Hutch.Core.Memory;
using Hutch.Core.State;
using Hutch.Devices.Virtio.Queue;
using Hutch.Host.Events;

namespace Hutch.Devices.Virtio.VhostUser;

/// <summary>
/// A device whose requests another program carries out. One worker takes chains to the back end and back; it sleeps until the guest or the back end has something. What the back end
/// has when the guest resets the device comes back later and is dropped. When the back end goes, or breaks the rules, every request fails from then on.
/// </summary>
internal abstract class VhostUserDevice : VirtioDevice
{
    private readonly IPlatformEvents _platform;
    private readonly VhostUserQueue[] _queues;
    private readonly PollSet _polls = new();

    /// <summary>Makes the device and owns <paramref name="backend"/>, whose queues are those of the sizes.</summary>
    private protected VhostUserDevice(string name, ushort type, GuestMemory memory, IPlatformEvents platform, VhostUserBackend backend, params ReadOnlySpan<int> queueSizes)
        : base(name, type, memory, workers: 1, waitsItself: true, queueSizes)
    {
        (Backend, _platform) = (backend, platform);
        _queues = new VhostUserQueue[queueSizes.Length];
        for (int i = 0; i < _queues.Length; i++) _queues[i] = new VhostUserQueue(this, i, WorkerOf(i), backend.Queues[i]);
        backend.Await(_polls);
    }

    /// <summary>The other program.</summary>
    private protected VhostUserBackend Backend { get; }

    /// <summary>The back end is gone, or not to be trusted. Worker only.</summary>
    internal bool IsLost { get; private set; }

    /// <summary>Writes into a chain that its request failed, in the words of the device's type. Returns the bytes written from its first writable one on.</summary>
    internal abstract uint Refuse(DescriptorChain chain);

    /// <summary>How much of a chain's writable part is copied to the guest, when the back end says that it wrote so much of it.</summary>
    internal virtual uint CopiedBytes(DescriptorChain chain, uint writtenBytes) => writtenBytes;

    /// <summary>Gives the back end up: requests fail from now on, those that it has first. Worker only.</summary>
    /// <param name="why">What it does, as in "has gone".</param>
    internal void Lose(string why)
    {
        if (IsLost) return;
        IsLost = true;
        _platform.StorageFailed($"The back end of '{Name}' at {Backend.Path} {why}; what the guest asks of it fails from now on.", pause: false);
        foreach (VhostUserQueue queue in _queues) queue.Fail();
    }

    /// <inheritdoc/>
    private protected override void WaitForWork(int worker)
    {
        if (IsDriverOk && !IsLost) _polls.Wait(WorkerOf(0).Doorbell);
        else base.WaitForWork(worker);
    }

    /// <inheritdoc/>
    private protected override void ServeQueues(int worker)
    {
        bool hasGone = false;
        if (!IsLost)
        {
            // Before the rings are looked at: what comes into them later wakes again.
            Backend.Drain();
            hasGone = Backend.IsLost;
        }
        ServeAll();
        if (!hasGone) return;
        // What it had done before has been given back.
        Lose("has gone");
        ServeAll();
    }

    /// <inheritdoc/>
    private protected override void OnReset(bool machineReset)
    {
        foreach (VhostUserQueue queue in _queues) queue.Forget();
    }

    /// <inheritdoc/>
    private protected override void ExchangeOwn(StateFields fields) =>
        throw new StateException($"The device '{Name}' cannot be saved or restored: a part of its state is in the program at {Backend.Path}.");

    /// <inheritdoc/>
    private protected override void DisposeBackend() => Backend.Dispose();

    private void ServeAll()
    {
        bool isMore;
        do
        {
            isMore = false;
            foreach (VhostUserQueue queue in _queues) isMore |= queue.Serve();
        }
        while (isMore && !ShouldYield);
    }
}
