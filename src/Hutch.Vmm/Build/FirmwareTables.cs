using Hutch.Core.Memory;
using Hutch.Devices;
using Hutch.Model.Machine;

namespace Hutch.Vmm.Build;

/// <summary>The tables that firmware leaves in [0xE0000, 1 MiB): ACPI and SMBIOS. Described once, written at every reset.</summary>
internal sealed class FirmwareTables(MachineDefinition definition)
{
    /// <summary>Takes note of the finished machine.</summary>
    internal void Describe(MachineServices services, ulong highWindowStart, ulong highWindowBytes)
    {
        _ = (definition, services, highWindowStart, highWindowBytes);
    }

    /// <summary>Writes the tables; returns the address of the ACPI root pointer, 0 while there is none.</summary>
    internal ulong Write(GuestMemory memory) => 0;
}
