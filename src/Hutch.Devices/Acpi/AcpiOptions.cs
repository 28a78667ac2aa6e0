using System;
using System.Collections.Immutable;
using System.Linq;
using Hutch.Core.Memory;
using Hutch.Devices.Chipset;
using Hutch.Devices.Pci;
using Hutch.Model.Machine;

namespace Hutch.Devices.Acpi;

/// <summary>What the ACPI tables must tell of this machine. Everything else is the same in every machine.</summary>
public sealed record AcpiOptions
{
    /// <summary>The vCPUs and their arrangement, which their APIC ids follow.</summary>
    public required CpuTopology Cpus { get; init; }

    /// <summary>vCPUs that are not plugged in: a bit for each.</summary>
    public ulong AbsentVcpus { get; init; }

    /// <summary>The guest's NUMA nodes; empty: it has none.</summary>
    public ImmutableArray<NumaNode> NumaNodes { get; init; } = [];

    /// <summary>Distances between them.</summary>
    public ImmutableArray<NumaDistance> NumaDistances { get; init; } = [];

    /// <summary>How fast they reach memory; empty: the guest is not told.</summary>
    public ImmutableArray<NumaAccess> NumaAccesses { get; init; } = [];

    /// <summary>RAM that the guest has from the start, in bytes. Told only where memory can be plugged in, or has nodes.</summary>
    public ulong MemoryBytes { get; init; }

    /// <summary>Memory that can be plugged in, in bytes.</summary>
    public ulong PluggableBytes { get; init; }

    /// <summary>The serial ports that exist: numbers 1 to 4 for COM1 to COM4.</summary>
    public ImmutableArray<int> SerialPorts { get; init; } = [];

    /// <summary>There are a keyboard and a mouse at the chipset's controller.</summary>
    public bool HasKeyboard { get; init; }

    /// <summary>There is a display adapter with VGA's ports and window.</summary>
    public bool HasVga { get; init; }

    /// <summary>There is a generation identifier.</summary>
    public bool HasGenerationId { get; init; }

    /// <summary>There is a VM clock.</summary>
    public bool HasVmClock { get; init; }

    /// <summary>There is a TPM.</summary>
    public bool HasTpm { get; init; }

    /// <summary>Length of the log that firmware writes of what it measures; 0: there is no firmware.</summary>
    public uint TpmLogBytes { get; init; }

    /// <summary>There are high-precision event timers.</summary>
    public bool HasHpet { get; init; }

    /// <summary>The kind of machine.</summary>
    public MachineKind Machine { get; init; }

    /// <summary>First port of the ACPI registers.</summary>
    public ushort PmBase { get; init; } = PmBlock.BasePort;

    /// <summary>First address of the PCI window below 4 GiB.</summary>
    public ulong PciWindowStart { get; init; } = PciWindows.LowStart;

    /// <summary>Where the memory-mapped PCI configuration space is; 0: there is none.</summary>
    public ulong EcamStart { get; init; } = PciWindows.EcamStart;

    /// <summary>First address of the 64-bit PCI window.</summary>
    public ulong PciWindow64Start { get; init; }

    /// <summary>Length of the 64-bit PCI window in bytes; 0: there is none.</summary>
    public ulong PciWindow64LengthBytes { get; init; }

    /// <summary>What the tables must tell of the machine that <paramref name="definition"/> describes, with its 64-bit PCI window.</summary>
    public static AcpiOptions Describe(MachineDefinition definition, ulong windowStart, ulong windowLengthBytes)
    {
        PlatformConfig platform = definition.Devices.OfType<PlatformConfig>().FirstOrDefault() ?? new PlatformConfig("platform");
        MachineKind machine = platform.Machine;
        ImmutableArray<int>.Builder ports = ImmutableArray.CreateBuilder<int>();
        foreach (DeviceConfig device in definition.Devices)
            if (device is SerialConfig serial) ports.Add(serial.Port);
        return new AcpiOptions
        {
            Cpus = definition.Cpus,
            Machine = machine,
            PciWindowStart = PciWindows.LowStartOf(machine, Math.Min(definition.MemoryBytes, GuestMemory.LowMemoryLimit)),
            EcamStart = machine == MachineKind.Q35 ? PciWindows.EcamStart : 0,
            AbsentVcpus = definition.AbsentVcpus,
            NumaNodes = definition.NumaNodes,
            NumaDistances = definition.NumaDistances,
            NumaAccesses = definition.NumaAccesses,
            MemoryBytes = definition.MemoryBytes,
            PluggableBytes = definition.PluggableBytes,
            SerialPorts = ports.ToImmutable(),
            HasKeyboard = definition.Devices.Any(static device => device is Ps2InputConfig),
            HasVga = definition.Devices.Any(static device => device is VgaConfig),
            HasGenerationId = definition.Devices.Any(static device => device is VmGenIdConfig),
            HasVmClock = definition.Devices.Any(static device => device is VmClockConfig),
            HasTpm = definition.Devices.Any(static device => device is TpmCrbConfig),
            HasHpet = platform.Hpet,
            PciWindow64Start = windowStart,
            PciWindow64LengthBytes = windowLengthBytes,
        };
    }
}
