using System;
using System.Collections.Immutable;

namespace Hutch.Model.Domains;

/// <summary>A directory of the host in the guest: <c>filesystem</c>.</summary>
public sealed record FilesystemDevice : DomainDevice
{
    /// <summary><c>mount</c>, <c>template</c>, <c>file</c>, <c>block</c>, <c>ram</c>, <c>bind</c>, <c>volume</c>; null: mount.</summary>
    public string? Type { get; init; }

    /// <summary><c>passthrough</c>, <c>mapped</c>, <c>squash</c>; null: not said.</summary>
    public string? AccessMode { get; init; }

    /// <summary>Its other attributes, each as <c>name=value</c>.</summary>
    public ImmutableArray<string> Attributes { get; init; } = [];

    /// <summary><c>virtiofs</c>, <c>path</c>, <c>handle</c>; null: 9p.</summary>
    public string? DriverType { get; init; }

    /// <summary>Length of the queue.</summary>
    public uint? QueueSize { get; init; }

    /// <summary>Other attributes of <c>driver</c>, each as <c>name=value</c>.</summary>
    public ImmutableArray<string> DriverAttributes { get; init; } = [];

    /// <summary>The directory.</summary>
    public string? SourceDirectory { get; init; }

    /// <summary>Socket of a virtiofsd that somebody else started.</summary>
    public string? SourceSocket { get; init; }

    /// <summary>A <c>source</c> of another kind as XML text.</summary>
    public string? SourceXml { get; init; }

    /// <summary>The tag by which the guest mounts it.</summary>
    public string Target { get; init; } = "";

    /// <summary>The guest cannot write.</summary>
    public bool ReadOnly { get; init; }
}

/// <summary>A device of the host: <c>hostdev</c>.</summary>
public sealed record HostDevice : DomainDevice
{
    /// <summary><c>subsystem</c> or <c>capabilities</c>.</summary>
    public string Mode { get; init; } = "subsystem";

    /// <summary><c>pci</c>, <c>usb</c>, <c>scsi</c>, <c>mdev</c>, ...</summary>
    public string Type { get; init; } = "";

    /// <summary>libvirt takes it from the host; null: not said.</summary>
    public bool? Managed { get; init; }

    /// <summary>Its other attributes, each as <c>name=value</c>.</summary>
    public ImmutableArray<string> Attributes { get; init; } = [];

    /// <summary>Which: <c>source</c> as XML text.</summary>
    public string? SourceXml { get; init; }
}

/// <summary>A USB device of the viewer: <c>redirdev</c>.</summary>
public sealed record RedirectedDevice : DomainDevice
{
    /// <summary>Always <c>usb</c>.</summary>
    public string Bus { get; init; } = "usb";

    /// <summary>Where it comes from.</summary>
    public CharacterSource Source { get; init; } = new();
}

/// <summary>A USB hub: <c>hub</c>.</summary>
public sealed record HubDevice : DomainDevice
{
    /// <summary>Always <c>usb</c>.</summary>
    public string Type { get; init; } = "usb";
}

/// <summary>Memory that is plugged in: <c>memory</c> among the devices.</summary>
public sealed record MemoryDevice : DomainDevice
{
    /// <summary><c>dimm</c>, <c>nvdimm</c>, <c>virtio-mem</c>, <c>virtio-pmem</c>, <c>sgx-epc</c>.</summary>
    public string Model { get; init; } = "dimm";

    /// <summary><c>shared</c> or <c>private</c>; null: not said.</summary>
    public string? Access { get; init; }

    /// <summary>The host may discard it when the domain ends.</summary>
    public bool? Discard { get; init; }

    /// <summary>Identifies it.</summary>
    public Guid? Uuid { get; init; }

    /// <summary>Where it comes from: <c>source</c> as XML text; null: not said.</summary>
    public string? SourceXml { get; init; }

    /// <summary>Its size.</summary>
    public ulong SizeKib { get; init; }

    /// <summary>The guest's node; null: not said.</summary>
    public int? Node { get; init; }

    /// <summary>Of <c>virtio-mem</c>: its granule.</summary>
    public ulong? BlockKib { get; init; }

    /// <summary>Of <c>virtio-mem</c>: what the guest is to have.</summary>
    public ulong? RequestedKib { get; init; }

    /// <summary>Of <c>virtio-mem</c>, while the domain runs: what it has.</summary>
    public ulong? CurrentKib { get; init; }

    /// <summary>Elements of <c>target</c> that are not modelled.</summary>
    public ImmutableArray<string> TargetKept { get; init; } = [];
}

/// <summary>An IOMMU of the guest: <c>iommu</c>.</summary>
public sealed record IommuDevice : DomainDevice
{
    /// <summary><c>intel</c>, <c>smmuv3</c>, <c>virtio</c>.</summary>
    public string Model { get; init; } = "";

    /// <summary>Attributes of <c>driver</c>, each as <c>name=value</c>.</summary>
    public ImmutableArray<string> DriverAttributes { get; init; } = [];
}
