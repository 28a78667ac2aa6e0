namespace Hutch.Model.Domains;

/// <summary>A controller: <c>controller</c>.</summary>
public sealed record ControllerDevice : DomainDevice
{
    /// <summary><c>pci</c>, <c>usb</c>, <c>ide</c>, <c>sata</c>, <c>scsi</c>, <c>virtio-serial</c>, <c>fdc</c>, <c>ccid</c>.</summary>
    public string Type { get; init; } = "";

    /// <summary>Its number among its type; null: the next.</summary>
    public int? Index { get; init; }

    /// <summary>Its model: <c>qemu-xhci</c>, <c>pcie-root-port</c>, <c>virtio-scsi</c>, ...; null: not said.</summary>
    public string? Model { get; init; }

    /// <summary>Ports of <c>usb</c> and <c>virtio-serial</c>.</summary>
    public uint? Ports { get; init; }

    /// <summary>Interrupts of <c>virtio-serial</c>.</summary>
    public int? Vectors { get; init; }

    /// <summary>First port of the master that this USB companion has.</summary>
    public uint? MasterStartPort { get; init; }

    /// <summary>What a PCI controller is to the guest.</summary>
    public PciControllerOptions? Pci { get; init; }

    /// <summary>Queues of a <c>scsi</c> controller and more; null: not said.</summary>
    public ControllerDriver? Driver { get; init; }
}

/// <summary>What a PCI controller is to the guest; null: not said.</summary>
public sealed record PciControllerOptions
{
    /// <summary>Device that it is: <c>pcie-root-port</c>, <c>i82801b11-bridge</c>, ...</summary>
    public string? ModelName { get; init; }

    /// <summary>Number of a bridge.</summary>
    public uint? ChassisNumber { get; init; }

    /// <summary>Number of a PCI Express chassis.</summary>
    public uint? Chassis { get; init; }

    /// <summary>Number of a port.</summary>
    public uint? Port { get; init; }

    /// <summary>First bus of an expander.</summary>
    public uint? BusNumber { get; init; }

    /// <summary>Devices can be plugged in.</summary>
    public bool? Hotplug { get; init; }

    /// <summary>Guest's NUMA node of an expander.</summary>
    public int? Node { get; init; }

    /// <summary>Size of the 64-bit window of a root in KiB.</summary>
    public ulong? Hole64Kib { get; init; }
}

/// <summary>How a controller works: <c>driver</c>. Null: not said.</summary>
public sealed record ControllerDriver
{
    /// <summary>Queues.</summary>
    public uint? Queues { get; init; }

    /// <summary>Commands on a LUN at once.</summary>
    public uint? CommandsPerLun { get; init; }

    /// <summary>Sectors of a command.</summary>
    public uint? MaxSectors { get; init; }

    /// <summary>Doorbells are handled apart from the vCPUs.</summary>
    public bool? IoEventFd { get; init; }

    /// <summary>Number of its I/O thread.</summary>
    public uint? IoThread { get; init; }

    /// <summary>virtio's transport.</summary>
    public VirtioOptions? Virtio { get; init; }
}
