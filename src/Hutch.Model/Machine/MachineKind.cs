namespace Hutch.Model.Machine;

/// <summary>Kinds of machines: the chipset, and where it has its parts.</summary>
public enum MachineKind
{
    /// <summary>A Q35 host bridge and an ICH9: PCI Express configuration space, SATA.</summary>
    Q35,

    /// <summary>An i440FX host bridge, a PIIX3 and the power management of a PIIX4: conventional PCI, IDE.</summary>
    Pc,
}
