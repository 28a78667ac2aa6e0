using System.Collections.Immutable;
using System.Linq;
using System.Text.Json.Serialization;

namespace Hutch.Model.Machine;

/// <summary>A virtio SCSI host (virtio 1.2 §5.6) and its disks.</summary>
/// <param name="Id">Device name.</param>
/// <param name="Drives">The disks, in the order of their targets, of which each is logical unit 0; at most <see cref="MostDrives"/>.</param>
/// <param name="Queues">Request queues, at least 1.</param>
public sealed record VirtioScsiConfig(string Id, ImmutableArray<ScsiDriveConfig> Drives, int Queues = 1) : DeviceConfig(Id)
{
    /// <summary>The most request queues.</summary>
    public const int MostQueues = 62;

    /// <summary>Targets that the host can have.</summary>
    public const int MostDrives = 256;

    /// <inheritdoc/>
    [JsonIgnore]
    public override bool IsTemporary => Drives.Any(static drive => drive.Disk.Temporary);
}

/// <summary>A disk of a SCSI host.</summary>
/// <param name="Id">Its name, unique among the machine's devices.</param>
/// <param name="Disk">The image. Its limits of bytes and operations a second have no effect.</param>
/// <param name="Serial">Its serial number, as long as a <see cref="VirtioBlockConfig"/>'s; null: its name.</param>
public sealed record ScsiDriveConfig(string Id, DiskConfig Disk, string? Serial = null)
{
    /// <summary>Its place in the order in which firmware tries to boot, lower ones first.</summary>
    public int? BootIndex { get; init; }

    /// <summary>What happens when a read fails.</summary>
    public StorageErrorPolicy OnReadError { get; init; } = StorageErrorPolicy.Report;

    /// <summary>What happens when a write, a flush or a discard fails.</summary>
    public StorageErrorPolicy OnWriteError { get; init; } = StorageErrorPolicy.Enospc;
}
