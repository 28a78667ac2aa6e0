using System;
using System.Collections.Generic;
using System.Collections.Immutable;
using Hutch.Cli.Options;
using Hutch.Model.Machine;

namespace Hutch.Cli.Commands;

/// <summary>The disks and CD-ROM drives of a machine's definition.</summary>
internal static class DriveComposer
{
    /// <summary>The name of no disc.</summary>
    internal const string NoDisc = "none";

    // Where a PC has its CD-ROM drives: on the second channel.
    private static readonly int[] DiscPlaces = [2, 3];

    /// <summary>
    /// Adds them: disks are <c>disk0</c>, <c>disk1</c>… in the order of the command line, whatever their bus. A pc has its IDE controller with or without drives. Throws
    /// <see cref="UserException"/>.
    /// </summary>
    internal static void Add(RunRequest request, MachineKind machine, int queues, List<DeviceConfig> devices)
    {
        ImmutableArray<AtaDriveConfig>.Builder sata = ImmutableArray.CreateBuilder<AtaDriveConfig>(), ide = ImmutableArray.CreateBuilder<AtaDriveConfig>();
        ImmutableArray<ScsiDriveConfig>.Builder scsi = ImmutableArray.CreateBuilder<ScsiDriveConfig>();
        int disks = 0, discs = 0;
        foreach (string text in Disks(request))
        {
            VirtioBlockConfig disk = DiskOption.Parse(text, $"disk{disks++}", queues, out DiskBus bus);
            if (bus == DiskBus.Ide && machine != MachineKind.Pc) throw OptionText.Bad("--disk", text, "only a pc has an IDE controller; add --machine pc, or write bus=sata.");
            if (bus == DiskBus.Virtio) devices.Add(disk);
            else if (bus == DiskBus.Scsi)
                scsi.Add(new ScsiDriveConfig(disk.Id, disk.Disk, disk.Serial) { BootIndex = disk.BootIndex, OnReadError = disk.OnReadError, OnWriteError = disk.OnWriteError });
            else (bus == DiskBus.Sata ? sata : ide).Add(new AtaDriveConfig(disk.Id, disk.Disk, Serial: disk.Serial) { BootIndex = disk.BootIndex });
        }
        foreach (string text in Discs(request))
        {
            DiskConfig? disc = text == NoDisc ? null : new DiskConfig(DiskOption.CheckedPath("--cdrom", text), "raw", ReadOnly: true);
            AtaDriveConfig drive = new($"cdrom{discs}", disc, IsCdRom: true);
            if (machine == MachineKind.Pc) ide.Add(drive with { Place = discs < DiscPlaces.Length ? DiscPlaces[discs] : null });
            else sata.Add(drive);
            discs++;
        }
        CheckRoom("SATA", sata.Count, AhciConfig.PortCount);
        CheckRoom("SCSI", scsi.Count, VirtioScsiConfig.MostDrives);
        CheckRoom("IDE", ide.Count, IdeConfig.DriveCount);
        if (machine == MachineKind.Pc) devices.Add(new IdeConfig("ide", ide.ToImmutable()));
        if (scsi.Count != 0) devices.Add(new VirtioScsiConfig("scsi", scsi.ToImmutable(), queues));
        if (sata.Count != 0) devices.Add(new AhciConfig("sata", sata.ToImmutable()));
    }

    private static void CheckRoom(string controller, int drives, int places)
    {
        if (drives > places)
            throw new UserException($"The {controller} controller has {places} places and {drives} drives are asked for; make some disks bus=virtio.", ExitStatus.Usage);
    }

    private static IEnumerable<string> Disks(RunRequest request)
    {
        if (request.Image is not null && !IsDisc(request)) yield return OptionText.Escape(request.Image);
        foreach (string disk in request.Disks) yield return disk;
    }

    private static IEnumerable<string> Discs(RunRequest request)
    {
        if (request.Image is not null && IsDisc(request)) yield return request.Image;
        foreach (string disc in request.CdRoms) yield return disc;
    }

    // An ISO image that a machine is to boot is a CD; beside a kernel it is the disk that it always was.
    private static bool IsDisc(RunRequest request) => request.Kernel is null && request.Image!.EndsWith(".iso", StringComparison.OrdinalIgnoreCase);
}
