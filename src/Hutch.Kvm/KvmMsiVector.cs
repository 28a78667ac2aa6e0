using Hutch.Core.Interrupts;
using Hutch.Host.Events;
using Hutch.Kvm.Abi;

namespace Hutch.Kvm;

/// <summary>A vector by KVM_IRQFD: the event is bound to a global system interrupt, whose route is the message.</summary>
internal sealed class KvmMsiVector(KvmDescriptor vm, KvmRoutes routes, EventFd? existing = null) : IMsiVector
{
    private readonly int _gsi = routes.Take();
    private bool _bound, _disposed;

    /// <inheritdoc/>
    public EventFd Event { get; } = existing ?? EventFd.Create("An interrupt vector");

    /// <inheritdoc/>
    public void SetMessage(MsiMessage? message)
    {
        // Without a route the kernel would swallow the signals, so they stay in the event. Bound again, the kernel takes those that have gathered.
        if (message is null) Bind(false);
        routes.Set(_gsi, message);
        if (message is not null) Bind(true);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_disposed) return;
        _disposed = true;
        Bind(false);
        routes.Return(_gsi);
        if (existing is null) Event.Dispose();
    }

    private void Bind(bool bound)
    {
        if (bound == _bound) return;
        KvmIrqfd request = new() { EventFd = (uint)Event.Descriptor, Gsi = (uint)_gsi, Flags = bound ? 0 : KvmIrqfd.Deassign };
        vm.Call(KvmIoctl.Irqfd, "KVM_IRQFD", ref request);
        _bound = bound;
    }
}
