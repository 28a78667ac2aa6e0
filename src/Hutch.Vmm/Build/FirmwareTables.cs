using System;
using Hutch.Core.Memory;
using Hutch.Devices;
using Hutch.Devices.Acpi;
using Hutch.Devices.Firmware;
using Hutch.Model.Machine;

namespace Hutch.Vmm.Build;

/// <summary>The tables that firmware leaves in [0xE0000, 1 MiB). Written at every reset: guests may write to them, and vCPUs may have come or gone.</summary>
internal sealed class FirmwareTables(MachineDefinition definition, ulong highWindowStart, ulong highWindowBytes)
{
    private readonly AcpiOptions _options = AcpiOptions.Describe(definition, highWindowStart, highWindowBytes);
    private readonly SmbiosImage _smbios = SmbiosTables.Build(SmbiosOptions.Describe(definition));

    /// <summary>Writes the tables; returns the address of the ACPI root pointer. Throws <see cref="ConfigException"/> where they do not fit.</summary>
    /// <param name="memory">Guest RAM.</param>
    /// <param name="absent">vCPUs that are not plugged in now: a bit for each.</param>
    internal ulong Write(GuestMemory memory, ulong absent)
    {
        AcpiImage acpi = AcpiTables.Build(_options with { AbsentVcpus = absent });
        if (!memory.TryCopyIn(acpi.BaseAddress, acpi.Image) || !memory.TryCopyIn(_smbios.BaseAddress, _smbios.Image))
            throw new InvalidOperationException("The firmware tables are outside guest memory.");
        return acpi.RsdpAddress;
    }
}
