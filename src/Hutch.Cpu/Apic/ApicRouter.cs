using Hutch.Core.Interrupts;

namespace Hutch.Cpu.Apic;

/// <summary>Delivers messages to the local APICs of a machine.</summary>
internal sealed class ApicRouter(SoftMachine machine) : IInterruptRouter
{
    /// <inheritdoc/>
    public void SignalMsi(MsiMessage message) => _ = machine;

    /// <inheritdoc/>
    public void SetExternalInterrupt(bool asserted) { }
}
