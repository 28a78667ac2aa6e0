using System;
using Hutch.Core.Memory;
using Hutch.Core.State;
using Hutch.Devices.Virtio.Queue;
using Hutch.Devices.Virtio.Transport;
using Hutch.Host.Events;

namespace Hutch.Devices.Virtio;

/// <summary>
/// A virtio device without its transport: features, configuration space, queues, and the worker that serves them.
/// The transport calls everything here under its own lock, except <see cref="Kick"/>; the work runs on the device's worker.
/// </summary>
internal abstract class VirtioDevice : IDisposable
{
    private readonly QueueWorker _worker;
    private readonly DescriptorChain _chain;
    private bool _driverOk;

    private protected VirtioDevice(string name, ushort type, GuestMemory memory, params ReadOnlySpan<int> queueSizes)
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
        _worker = new QueueWorker(name, Serve);
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

    /// <summary>The chain that the work pops into. Worker only.</summary>
    private protected DescriptorChain Chain => _chain;

    /// <summary>The work should return soon.</summary>
    private protected bool ShouldYield => _worker.ShouldYield;

    /// <summary>The driver is active (DRIVER_OK). Worker only.</summary>
    private protected bool IsDriverOk => _driverOk;

    /// <summary>Device configuration space; any offset, 1 to 8 bytes. Bytes past its end read as zero.</summary>
    internal abstract void ReadConfig(ulong offset, Span<byte> data);

    /// <summary>Writes device configuration space. Most devices have nothing writable.</summary>
    internal virtual void WriteConfig(ulong offset, ReadOnlySpan<byte> data) { }

    /// <summary>DRIVER_OK: the worker may use the queues.</summary>
    internal void Activate(ulong features)
    {
        _worker.Pause();
        Features = features;
        _driverOk = true;
        _worker.Resume();
    }

    /// <summary>Reset by the driver, or of the machine: returns when the worker no longer touches the queues.</summary>
    internal void Deactivate(bool machineReset)
    {
        _worker.Pause();
        _driverOk = false;
        Features = 0;
        foreach (VirtQueue queue in Queues) queue.Reset();
        OnReset(machineReset);
        _worker.Resume();
    }

    /// <summary>Signalled like <see cref="Kick"/>, by the engine's doorbells.</summary>
    internal EventFd Doorbell => _worker.Doorbell;

    /// <summary>There is work: a doorbell, input from outside. Any thread.</summary>
    internal void Kick() => _worker.Signal();

    /// <summary>The machine runs.</summary>
    internal virtual void Start() => _worker.Resume();

    /// <summary>The machine stops; returns when the worker is quiet.</summary>
    internal virtual void Stop() => _worker.Pause();

    /// <summary>Saves or restores the queues and the device's own state. The worker is quiet, and looks for work in every queue when it goes on.</summary>
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
        _worker.Dispose();
        DisposeBackend();
    }

    /// <summary>Closes what the device opened, after its worker ended.</summary>
    private protected virtual void DisposeBackend() { }

    /// <summary>The device's own state goes back. The worker is quiet.</summary>
    private protected virtual void OnReset(bool machineReset) { }

    /// <summary>Saves or restores what only this type of device has. The worker is quiet.</summary>
    private protected virtual void ExchangeOwn(StateFields fields) { }

    /// <summary>Serves the queues until they are empty. On the worker, with the driver active.</summary>
    private protected abstract void ServeQueues();

    /// <summary>Pops the next chain of a queue; a queue that the driver broke marks the device.</summary>
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

    private void Serve()
    {
        if (_driverOk) ServeQueues();
    }

    private sealed class NoTransport : IVirtioTransport
    {
        public void InterruptQueue(int queue) { }

        public void InterruptConfig() { }

        public void NeedsReset() { }
    }
}
