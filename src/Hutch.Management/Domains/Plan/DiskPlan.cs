using System;
using System.Collections.Generic;
using System.Linq;
using Hutch.Model.Domains;
using Hutch.Model.Machine;

namespace Hutch.Management.Domains.Plan;

/// <summary>Disks and CD-ROM drives, and the controllers that they are on.</summary>
internal static class DiskPlan
{
    internal static void Add(PlanBuilder builder)
    {
        List<AtaDriveConfig> sata = [], ide = [];
        List<ScsiDriveConfig> scsi = [];
        foreach (DiskDevice disk in builder.All<DiskDevice>())
        {
            if (disk.Device is not ("disk" or "cdrom")) throw MachinePlan.Refuse($"the {disk.Device} '{disk.Target}'", "there are disks and CD-ROM drives");
            // Guests of other makers' definitions have IDE drives on a q35, which has none: what they find is SATA.
            string bus = disk.Bus == "ide" && builder.Kind == MachineKind.Q35 ? "sata" : disk.Bus ?? "virtio";
            switch (bus)
            {
                case "virtio" when disk.Device == "disk": builder.Devices.Add(Virtio(builder, disk)); break;
                case "scsi" when disk.Device == "disk": scsi.Add(new ScsiDriveConfig(disk.Target, Image(disk)!, disk.Serial) { OnReadError = OnError(disk.Driver?.ReadErrorPolicy, StorageErrorPolicy.Report), OnWriteError = OnError(disk.Driver?.ErrorPolicy, StorageErrorPolicy.Enospc) }); break;
                case "sata": sata.Add(Ata(disk)); break;
                case "ide": ide.Add(Ata(disk) with { Place = PlaceOf(disk) }); break;
                default: throw MachinePlan.Refuse($"the {disk.Device} '{disk.Target}' on the bus '{bus}'", "disks are on virtio, scsi, sata or ide, CD-ROM drives on sata or ide");
            }
        }
        if (sata.Count > AhciConfig.PortCount) throw MachinePlan.Refuse($"more than {AhciConfig.PortCount} SATA drives", "put some on another bus");
        if (scsi.Count != 0) builder.Devices.Add(new VirtioScsiConfig("scsi0", [.. scsi], (int)(QueuesOfScsi(builder) ?? 1)));
        if (sata.Count != 0) builder.Devices.Add(new AhciConfig("sata0", [.. sata]));
        if (builder.Kind == MachineKind.Pc) builder.Devices.Add(new IdeConfig("ide", [.. ide]));
    }

    private static VirtioBlockConfig Virtio(PlanBuilder builder, DiskDevice disk)
    {
        const int MostUnsaidQueues = 4;
        int queues = (int)Math.Min(disk.Driver?.Queues ?? (uint)Math.Min(builder.Definition.Vcpus.Maximum, MostUnsaidQueues), VirtioBlockConfig.MostQueues);
        return new VirtioBlockConfig(disk.Target, Image(disk)!, queues, disk.Serial)
        {
            OnReadError = OnError(disk.Driver?.ReadErrorPolicy, StorageErrorPolicy.Report), OnWriteError = OnError(disk.Driver?.ErrorPolicy, StorageErrorPolicy.Enospc),
        };
    }

    private static AtaDriveConfig Ata(DiskDevice disk) => new(disk.Target, Image(disk), disk.Device == "cdrom", disk.Serial);

    private static int PlaceOf(DiskDevice disk) => disk.Address is DriveAddress { Controller: 0, Bus: <= 1, Unit: <= 1 } place ? (int)(place.Bus * 2 + place.Unit)
        : throw MachinePlan.Refuse($"an IDE drive '{disk.Target}' there", "an IDE controller has the buses 0 and 1 with the units 0 and 1");

    private static uint? QueuesOfScsi(PlanBuilder builder) => builder.All<ControllerDevice>().FirstOrDefault(static controller => controller.Type == "scsi")?.Driver?.Queues;

    private static DiskConfig? Image(DiskDevice disk)
    {
        bool isDisc = disk.Device == "cdrom";
        if (disk.Source.Type is not ("file" or "block")) throw MachinePlan.Refuse($"a source of type '{disk.Source.Type}' for '{disk.Target}'", "name a file or a block device");
        if (disk.Source.Path is not { } path)
            return isDisc ? null : throw new ManagementException(FailureKind.Unsupported, $"the disk '{disk.Target}' has no source; name a file or a block device");
        DiskDriver driver = disk.Driver ?? new DiskDriver();
        DiskThrottle limits = disk.Throttle ?? new DiskThrottle();
        if (limits.Limits.Any(static limit => limit.Value != 0 && limit.Name is not ("total_bytes_sec" or "total_iops_sec")))
            throw MachinePlan.Refuse($"a limit of <iotune> for '{disk.Target}' other than total_bytes_sec and total_iops_sec", "leave it out");
        // libvirt takes an image without a format for a raw one: what a guest wrote must not become a path.
        return new DiskConfig(path, driver.Type ?? "raw", disk.ReadOnly || isDisc)
        {
            Cache = driver.Cache switch { "none" => DiskCache.None, "writethrough" => DiskCache.Writethrough, "directsync" => DiskCache.DirectSync, "unsafe" => DiskCache.Unsafe, _ => DiskCache.Writeback },
            Aio = driver.Io switch { "threads" => DiskAio.Threads, "io_uring" => DiskAio.IoUring, _ => DiskAio.Auto },
            Discard = driver.Discard == "unmap",
            DetectZeroes = driver.DetectZeroes switch { "on" => DetectZeroes.On, "unmap" => DetectZeroes.Unmap, _ => DetectZeroes.Off },
            Temporary = disk.Transient,
            BytesPerSecond = (long)Math.Min(limits["total_bytes_sec"], long.MaxValue),
            OperationsPerSecond = (long)Math.Min(limits["total_iops_sec"], long.MaxValue),
        };
    }

    private static StorageErrorPolicy OnError(string? policy, StorageErrorPolicy unsaid) => policy switch
    {
        "stop" => StorageErrorPolicy.Stop, "report" => StorageErrorPolicy.Report, "ignore" => StorageErrorPolicy.Ignore, "enospace" => StorageErrorPolicy.Enospc, _ => unsaid,
    };
}
