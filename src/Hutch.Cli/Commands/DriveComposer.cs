using System;
using System.Collections.Generic;
using System.Collections.Immutable;
using Hutch.Cli.Options;
using Hutch.Model.Machine;

namespace Hutch.Cli.Commands;

/// <summary>The disks and CD-ROM drives of a machine's definition.</summary>
internal static class DriveComposer
{
    /// <summary>Adds them: disks are <c>disk0</c>, <c>disk1</c>… in the order of the command line, whatever their bus. Throws <see cref="UserException"/>.</summary>
    internal static void Add(RunRequest request, int queues, List<DeviceConfig> devices)
    {
        ImmutableArray<AtaDriveConfig>.Builder drives = ImmutableArray.CreateBuilder<AtaDriveConfig>();
        int disks = 0, discs = 0;
        foreach (string text in Disks(request))
        {
            VirtioBlockConfig disk = DiskOption.Parse(text, $"disk{disks++}", queues, out bool isSata);
            if (!isSata) devices.Add(disk);
            else drives.Add(new AtaDriveConfig(disk.Id, disk.Disk, Serial: disk.Serial) { BootIndex = disk.BootIndex });
        }
        foreach (string text in Discs(request))
            drives.Add(new AtaDriveConfig($"cdrom{discs++}", new DiskConfig(DiskOption.CheckedPath("--cdrom", text), "raw", ReadOnly: true), IsCdRom: true));
        if (drives.Count > AhciConfig.PortCount)
            throw new UserException($"The SATA controller has {AhciConfig.PortCount} ports and {drives.Count} drives are asked for; make some disks bus=virtio.", ExitStatus.Usage);
        if (drives.Count != 0) devices.Add(new AhciConfig("sata", drives.ToImmutable()));
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
