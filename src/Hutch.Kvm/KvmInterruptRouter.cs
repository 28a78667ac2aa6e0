using Hutch.Core.Interrupts;
using Hutch.Host.Events;
using Hutch.Kvm.Abi;

namespace Hutch.Kvm;

/// <summary>
/// Interrupts into the kernel's local APICs. Messages go straight there; the kernel also holds a table of routes, whose first 24 entries are
/// the IOAPIC's pins: it needs the level-triggered ones to know which ends of interrupts to report. Any thread.
/// </summary>
internal sealed class KvmInterruptRouter(KvmDescriptor vm, KvmVcpu bootProcessor) : IInterruptRouter
{
    /// <summary>Pins of the IOAPIC, the first entries of the routing table.</summary>
    internal const int IoapicPins = 24;

    private readonly KvmRoutes _routes = new(vm, IoapicPins);

    /// <inheritdoc/>
    public void SignalMsi(MsiMessage message)
    {
        KvmMsi msi = new() { AddressLow = (uint)message.Address, AddressHigh = (uint)(message.Address >> 32), Data = message.Data };
        // A message that no APIC takes is the guest's affair.
        vm.Try(KvmIoctl.SignalMsi, ref msi);
    }

    /// <inheritdoc/>
    public void SetExternalInterrupt(bool asserted) => bootProcessor.SetExternalInterrupt(asserted);

    /// <inheritdoc/>
    public void SetLevelRoute(int pin, MsiMessage? message) => _routes.Set(pin, message);

    /// <inheritdoc/>
    public IMsiVector CreateVector(EventFd? existing = null) => new KvmMsiVector(vm, _routes, existing);
}
