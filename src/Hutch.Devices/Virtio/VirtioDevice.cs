using System;
using Hutch.Core.Memory;
using Hutch.Core.State;
using Hutch.Devices.Virtio.Queue;
using Hutch.Devices.Virtio.Transport;
using Hutch.Host.Events;

namespace Hutch.Devices.Virtio;

/// <summary>
/// A virtio device without its transport: features, configuration space, queues, and the workers that serve them: one for all queues, or one for each.
/// The transport calls everything here under its own lock, except <see cref="Kick"/>; the work runs on the device's workers.
/// </summary>
internal abstract class VirtioDevice : IDisposable
{
    private readonly QueueWorker[] _workers;
    private readonly DescriptorChain _chain;
    private bool _driverOk;

    private protected VirtioDevice(string name, ushort type, GuestMemory memory, params ReadOnlySpan<int> queueSizes)
        : this(name, type, memory, workerForEachQueue: false, queueSizes) { }

    private protected VirtioDevice(string name, ushort type, GuestMemory memory, bool workerForEachQueue, params ReadOnlySpan<int> queueSizes)
        : this(name, type, memory, workerForEachQueue ? queueSizes.Length : 1, waitsItself: false, queueSizes) { }

    /// <summary>For a device that says itself which worker serves a queue (<see cref="WorkerNumber"/>), and perhaps what a worker waits for.</summary>
    private protected VirtioDevice(string name, ushort type, GuestMemory memory, int workers, bool waitsItself, params ReadOnlySpan<int> queueSizes)
    {
        Name = name;
        DeviceType = type;
        Queues = new VirtQueue[queueSizes.Length];
        int longest = 1;
        for (int i = 0; i < queueSizes.Length; i++)
        {
            Queues[i] = new VirtQueue(memory, queueSizes[i]);
            longest = Math.Max(longest, queueSizes[i]);
        }
        _chain = new DescriptorChain(longest);
        _workers = new QueueWorker[workers];
        for (int i = 0; i < _workers.Length; i++)
        {
            int worker = i;
            _workers[i] = new QueueWorker(_workers.Length == 1 ? name : $"{name}/{i}", () => Serve(worker), waitsItself ? () => WaitForWork(worker) : null);
        }
    }

    /// <summary>Name of the device.</summary>
    internal string Name { get; }

    /// <summary>Device type (virtio 1.2 §5).</summary>
    internal ushort DeviceType { get; }

    /// <summary>PCI class code that goes with the type.</summary>
    internal abstract uint PciClass { get; }

    /// <summary>Feature bits of the device type; the transport adds its own.</summary>
    internal abstract ulong DeviceFeatures { get; }

    /// <summary>The queues, in the order of the device type's section.</summary>
    internal VirtQueue[] Queues { get; }

    /// <summary>The transport, for interrupts. Set once by the transport.</summary>
    internal IVirtioTransport Transport { get; set; } = new NoTransport();

    /// <summary>The features that the driver accepted. Valid while the driver is active.</summary>
    private protected ulong Features { get; private set; }

    /// <summary>The chain that the work pops into, of a device with one worker. Worker only.</summary>
    private protected DescriptorChain Chain => _chain;

    /// <summary>The work should return soon.</summary>
    private protected bool ShouldYield => _workers[0].ShouldYield;

    /// <summary>The driver is active (DRIVER_OK). Worker only.</summary>
    private protected bool IsDriverOk => _driverOk;

    /// <summary>Device configuration space; any offset, 1 to 8 bytes. Bytes past its end read as zero.</summary>
    internal abstract void ReadConfig(ulong offset, Span<byte> data);

    /// <summary>Writes device configuration space. Most devices have nothing writable.</summary>
    internal virtual void WriteConfig(ulong offset, ReadOnlySpan<byte> data) { }

    /// <summary>DRIVER_OK: the workers may use the queues.</summary>
    internal void Activate(ulong features)
    {
        Pause();
        Features = features;
        OnActivate();
        _driverOk = true;
        Resume();
    }

    /// <summary>Reset by the driver, or of the machine: returns when no worker touches the queues any more.</summary>
    internal void Deactivate(bool machineReset)
    {
        Pause();
        _driverOk = false;
        Features = 0;
        foreach (VirtQueue queue in Queues) queue.Reset();
        OnReset(machineReset);
        Resume();
    }

    /// <summary>Signalled like <see cref="Kick"/>, by the engine's doorbells.</summary>
    internal EventFd Doorbell(int queue) => WorkerOf(queue).Doorbell;

    /// <summary>There is work: a doorbell, input from outside. Any thread.</summary>
    internal void Kick(int queue) => WorkerOf(queue).Signal();

    /// <summary>The machine runs.</summary>
    internal virtual void Start() => Resume();

    /// <summary>The machine stops; returns when the workers are quiet and nothing is in flight.</summary>
    internal virtual void Stop() => Pause();

    /// <summary>Saves or restores the queues and the device's own state. The workers are quiet, and look for work in every queue when they go on.</summary>
    internal void Exchange(StateFields fields)
    {
        ulong features = Features;
        fields.Value("features", ref features);
        fields.Value("driver-ok", ref _driverOk);
        Features = features;
        for (int i = 0; i < Queues.Length; i++) fields.Group($"queue{i}", Queues[i].Exchange);
        ExchangeOwn(fields);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (QueueWorker worker in _workers) worker.Dispose();
        Drain();
        DisposeBackend();
    }

    /// <summary>The worker that serves a queue.</summary>
    private protected QueueWorker WorkerOf(int queue) => _workers[WorkerNumber(queue)];

    /// <summary>The number of the worker that serves a queue.</summary>
    private protected virtual int WorkerNumber(int queue) => _workers.Length == 1 ? 0 : queue;

    /// <summary>Sleeps until there may be work: the worker's doorbell has a count, which stays, or something of the device's own. On the worker; it may be paused.</summary>
    private protected virtual void WaitForWork(int worker) => _workers[worker].Doorbell.WaitForCount();

    /// <summary>The driver is about to become active; its features are known. The workers are quiet.</summary>
    private protected virtual void OnActivate() { }

    /// <summary>Closes what the device opened, after its workers ended.</summary>
    private protected virtual void DisposeBackend() { }

    /// <summary>Returns when nothing that a worker began is in flight. The workers are quiet; called by whoever made them so.</summary>
    private protected virtual void Drain() { }

    /// <summary>The device's own state goes back. The workers are quiet.</summary>
    private protected virtual void OnReset(bool machineReset) { }

    /// <summary>Saves or restores what only this type of device has. The workers are quiet.</summary>
    private protected virtual void ExchangeOwn(StateFields fields) { }

    /// <summary>Serves the queues of a worker until they are empty: the queue of its number, or all where it is the only one. On the worker, with the driver active.</summary>
    private protected abstract void ServeQueues(int worker);

    /// <summary>Answers a read of configuration space from all of its bytes; those behind its end read as zero.</summary>
    internal static void CopyConfig(ReadOnlySpan<byte> config, ulong offset, Span<byte> data)
    {
        data.Clear();
        if (offset < (ulong)config.Length) config.Slice((int)offset, Math.Min(data.Length, config.Length - (int)offset)).CopyTo(data);
    }

    /// <summary>Pops the next chain of a queue into <see cref="Chain"/>; a queue that the driver broke marks the device.</summary>
    private protected bool TryPop(VirtQueue queue)
    {
        QueueStatus status = queue.TryPop(Chain);
        if (status == QueueStatus.Broken) Transport.NeedsReset();
        return status == QueueStatus.Popped;
    }

    /// <summary>Sends the queue's interrupt if the driver wants it for what was pushed since.</summary>
    private protected void InterruptIfWanted(int queue)
    {
        if (Queues[queue].ShouldInterrupt()) Transport.InterruptQueue(queue);
    }

    private void Pause()
    {
        foreach (QueueWorker worker in _workers) worker.Pause();
        Drain();
    }

    private void Resume()
    {
        foreach (QueueWorker worker in _workers) worker.Resume();
    }

    private void Serve(int worker)
    {
        if (_driverOk) ServeQueues(worker);
    }

    private sealed class NoTransport : IVirtioTransport
    {
        public void InterruptQueue(int queue) { }

        public void InterruptConfig() { }

        public void NeedsReset() { }
    }
}
