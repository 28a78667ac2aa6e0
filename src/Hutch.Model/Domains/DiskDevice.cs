using System.Collections.Immutable;

namespace Hutch.Model.Domains;

/// <summary>A disk, CD-ROM drive or floppy drive: <c>disk</c>.</summary>
public sealed record DiskDevice : DomainDevice
{
    /// <summary><c>disk</c>, <c>cdrom</c>, <c>floppy</c>, <c>lun</c>.</summary>
    public string Device { get; init; } = "disk";

    /// <summary><c>virtio-transitional</c>, <c>virtio-non-transitional</c>; null: as the bus likes.</summary>
    public string? Model { get; init; }

    /// <summary>How snapshots treat it: <c>internal</c>, <c>external</c>, <c>no</c>; null: not said.</summary>
    public string? Snapshot { get; init; }

    /// <summary>How its image is used.</summary>
    public DiskDriver? Driver { get; init; }

    /// <summary>Its image, with its type; without a place where the drive is empty.</summary>
    public DiskSource Source { get; init; } = new();

    /// <summary>What the image is based on, while the domain runs; one without a source: nothing. Null: not said.</summary>
    public DiskBacking? Backing { get; init; }

    /// <summary>Its name: <c>vda</c>. It orders disks and identifies this one; the guest need not call it so.</summary>
    public string Target { get; init; } = "";

    /// <summary><c>virtio</c>, <c>ide</c>, <c>sata</c>, <c>scsi</c>, <c>usb</c>, <c>fdc</c>, <c>sd</c>; null: of the target's name.</summary>
    public string? Bus { get; init; }

    /// <summary>The drive is <c>open</c> or <c>closed</c>; null: closed.</summary>
    public string? Tray { get; init; }

    /// <summary>A USB disk says that it is removable.</summary>
    public bool? Removable { get; init; }

    /// <summary>Rotations per minute; 1: none.</summary>
    public uint? RotationRate { get; init; }

    /// <summary>Limits; null: none.</summary>
    public DiskThrottle? Throttle { get; init; }

    /// <summary>Sizes of blocks; null: 512.</summary>
    public DiskBlockSizes? BlockSizes { get; init; }

    /// <summary>It cannot be written.</summary>
    public bool ReadOnly { get; init; }

    /// <summary>Other domains may have it too.</summary>
    public bool Shareable { get; init; }

    /// <summary>What is written is dropped when the domain ends.</summary>
    public bool Transient { get; init; }

    /// <summary>Its serial number.</summary>
    public string? Serial { get; init; }

    /// <summary>Its world wide name, 16 hexadecimal digits.</summary>
    public string? Wwn { get; init; }

    /// <summary>SCSI's vendor.</summary>
    public string? Vendor { get; init; }

    /// <summary>SCSI's product.</summary>
    public string? Product { get; init; }
}

/// <summary>How an image is used: <c>driver</c>.</summary>
public sealed record DiskDriver
{
    /// <summary>Always <c>qemu</c>.</summary>
    public string? Name { get; init; }

    /// <summary>Format: <c>raw</c>, <c>qcow2</c>, ...; null: not said.</summary>
    public string? Type { get; init; }

    /// <summary><c>none</c>, <c>writeback</c>, <c>writethrough</c>, <c>directsync</c>, <c>unsafe</c>, <c>default</c>.</summary>
    public string? Cache { get; init; }

    /// <summary>What a failed request does: <c>stop</c>, <c>report</c>, <c>ignore</c>, <c>enospace</c>.</summary>
    public string? ErrorPolicy { get; init; }

    /// <summary>The same for reading.</summary>
    public string? ReadErrorPolicy { get; init; }

    /// <summary><c>threads</c>, <c>native</c>, <c>io_uring</c>.</summary>
    public string? Io { get; init; }

    /// <summary>Doorbells are handled apart from the vCPUs.</summary>
    public bool? IoEventFd { get; init; }

    /// <summary>virtio's event index.</summary>
    public bool? EventIndex { get; init; }

    /// <summary>What is read from a backing file is copied.</summary>
    public bool? CopyOnRead { get; init; }

    /// <summary><c>unmap</c> or <c>ignore</c>.</summary>
    public string? Discard { get; init; }

    /// <summary>Number of its I/O thread.</summary>
    public uint? IoThread { get; init; }

    /// <summary><c>off</c>, <c>on</c>, <c>unmap</c>.</summary>
    public string? DetectZeroes { get; init; }

    /// <summary>Queues.</summary>
    public uint? Queues { get; init; }

    /// <summary>Their length.</summary>
    public uint? QueueSize { get; init; }

    /// <summary>virtio's transport.</summary>
    public VirtioOptions? Virtio { get; init; }

    /// <summary>Elements that are not modelled.</summary>
    public ImmutableArray<string> Kept { get; init; } = [];
}

/// <summary>Options of virtio's transport; null: not said.</summary>
/// <param name="Iommu">It is behind the IOMMU.</param>
/// <param name="Ats">Address translation services.</param>
/// <param name="Packed">Packed queues.</param>
/// <param name="PagePerVq">A doorbell page for each queue.</param>
public sealed record VirtioOptions(bool? Iommu, bool? Ats, bool? Packed, bool? PagePerVq);
