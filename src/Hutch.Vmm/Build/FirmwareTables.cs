using System;
using Hutch.Core.Memory;
using Hutch.Devices.Acpi;
using Hutch.Devices.Firmware;
using Hutch.Model.Machine;

namespace Hutch.Vmm.Build;

/// <summary>The tables that firmware leaves in [0xE0000, 1 MiB). Built once from the definition, written at every reset: guests may write to them.</summary>
internal sealed class FirmwareTables(MachineDefinition definition, ulong highWindowStart, ulong highWindowBytes)
{
    private readonly AcpiImage _acpi = AcpiTables.Build(AcpiOptions.Describe(definition, highWindowStart, highWindowBytes));
    private readonly SmbiosImage _smbios = SmbiosTables.Build(SmbiosOptions.Describe(definition));

    /// <summary>Writes the tables; returns the address of the ACPI root pointer.</summary>
    internal ulong Write(GuestMemory memory)
    {
        if (!memory.TryCopyIn(_acpi.BaseAddress, _acpi.Image) || !memory.TryCopyIn(_smbios.BaseAddress, _smbios.Image))
            throw new InvalidOperationException("The firmware tables are outside guest memory.");
        return _acpi.RsdpAddress;
    }
}
