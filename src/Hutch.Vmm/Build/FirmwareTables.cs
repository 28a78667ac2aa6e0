using System;
using Hutch.Core.Memory;
using Hutch.Devices.Acpi;
using Hutch.Devices.Firmware;
using Hutch.Model.Machine;

namespace Hutch.Vmm.Build;

/// <summary>The tables that firmware leaves in [0xE0000, 1 MiB): ACPI and SMBIOS. Built once, written at every reset: guests may write to them.</summary>
internal sealed class FirmwareTables
{
    private readonly AcpiImage _acpi;
    private readonly SmbiosImage _smbios;

    /// <summary>Builds the tables of a finished machine with its PCI window above 4 GiB.</summary>
    internal FirmwareTables(MachineDefinition definition, GuestMemory memory, ulong highWindowStart, ulong highWindowBytes)
    {
        _acpi = AcpiTables.Build(AcpiOptions.Describe(definition, highWindowStart, highWindowBytes));
        _smbios = SmbiosTables.Build(new SmbiosOptions
        {
            Sockets = definition.Cpus.Sockets,
            CoresPerSocket = definition.Cpus.Cores,
            ThreadsPerCore = definition.Cpus.Threads,
            LowMemoryBytes = memory.LowBytes,
            HighMemoryBytes = memory.HighBytes,
        });
    }

    /// <summary>Writes the tables; returns the address of the ACPI root pointer.</summary>
    internal ulong Write(GuestMemory memory)
    {
        if (!memory.TryCopyIn(_acpi.BaseAddress, _acpi.Image) || !memory.TryCopyIn(_smbios.BaseAddress, _smbios.Image))
            throw new InvalidOperationException("The firmware tables are outside guest memory.");
        return _acpi.RsdpAddress;
    }
}
