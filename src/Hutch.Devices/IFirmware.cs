using Hutch.Model.Machine;

namespace Hutch.Devices;

/// <summary>The firmware that a machine starts from, as the builder and the boot plan see it. Called while no vCPU runs.</summary>
public interface IFirmware
{
    /// <summary>Tells it of the whole machine, once, after the last device was made.</summary>
    /// <param name="definition">The machine.</param>
    /// <param name="highWindowStart">First address of the PCI window above 4 GiB, unless firmware chooses another.</param>
    /// <param name="highWindowBytes">Its length; 0 for none.</param>
    void Describe(MachineDefinition definition, ulong highWindowStart, ulong highWindowBytes);

    /// <summary>Power-on: memory holds zeros and shows the firmware where a processor begins.</summary>
    void Load();
}
