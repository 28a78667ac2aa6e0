using Hutch.Host.Events;

namespace Hutch.Core.Interrupts;

/// <summary>A message-signalled interrupt as written to the 0xFEEx_xxxx window (Intel SDM 3A §11.11; AMD APM 2 §16.5).</summary>
/// <param name="Address">Message address: destination id, redirection hint, destination mode.</param>
/// <param name="Data">Message data: vector, delivery mode, level, trigger mode.</param>
public readonly record struct MsiMessage(ulong Address, uint Data);

/// <summary>The engine's side of interrupts: the local APICs. PIC, IOAPIC and PIT are devices and end here.</summary>
public interface IInterruptRouter
{
    /// <summary>Delivers one message to the local APICs it addresses. Any thread; does not wait for the guest.</summary>
    void SignalMsi(MsiMessage message);

    /// <summary>
    /// Level of the PIC's INTR output, wired to LINT0 of the boot vCPU. While asserted and LINT0 is ExtINT and unmasked, the vCPU
    /// asks <see cref="Engine.IVcpuExits.AcknowledgeExternalInterrupt"/> for the vector when it can take it.
    /// </summary>
    void SetExternalInterrupt(bool asserted);

    /// <summary>
    /// The message that a level-triggered pin of the IOAPIC sends from now on; null: the pin is edge-triggered. An engine whose local APICs are
    /// the kernel's needs it to report <see cref="Engine.IVcpuExits.EndOfInterrupt"/> for that vector. Any thread; does not wait for the guest.
    /// </summary>
    void SetLevelRoute(int pin, MsiMessage? message) { }

    /// <summary>Makes a vector that others can signal, masked; null where the engine has none. For our own devices <see cref="SignalMsi"/> costs as little.</summary>
    /// <param name="existing">The event of a vector of another engine whose place this one takes; it stays the other's. Null: it gets an event of its own.</param>
    IMsiVector? CreateVector(EventFd? existing = null) => null;
}
