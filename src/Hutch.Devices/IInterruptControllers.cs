namespace Hutch.Devices;

/// <summary>What the vCPUs ask of the interrupt controllers. Called on vCPU threads that hold no lock; must not throw.</summary>
public interface IInterruptControllers
{
    /// <summary>A local APIC ended a level-triggered interrupt of this vector (Intel SDM 3A §11.8.5).</summary>
    void EndOfInterrupt(byte vector);

    /// <summary>INTA cycle: the vector of the PIC, or -1 when the PIC was never initialised.</summary>
    int AcknowledgeExternalInterrupt();
}
