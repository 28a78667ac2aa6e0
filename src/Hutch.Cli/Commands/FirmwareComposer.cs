using System;
using System.Collections.Generic;
using System.Collections.Immutable;
using System.IO;
using Hutch.Cli.Options;
using Hutch.Host.Files;
using Hutch.Model.Machine;

namespace Hutch.Cli.Commands;

/// <summary>The part of a machine's definition that is about booting by firmware: the firmware, and which device is tried when.</summary>
internal static class FirmwareComposer
{
    /// <summary>Whether the machine starts from firmware: a disk, a CD or the network is to be booted, and no kernel.</summary>
    internal static bool IsWanted(RunRequest request) => request.Kernel is null && (request.Image is not null || request.CdRoms.Count != 0 || request.Firmware is not null || FirmwareOption.BootsFromNetwork(request.Boot));

    /// <summary>Adds the firmware behind the platform and numbers what it can boot. Throws <see cref="UserException"/>.</summary>
    internal static void Add(RunRequest request, List<DeviceConfig> devices)
    {
        string? folder = UserFolders.State;
        string? variables = request.Name is null || folder is null ? null : Path.Combine(folder, "firmware", $"{request.Name}.fd");
        FirmwareConfig firmware = FirmwareOption.Parse(request.Firmware, variables);
        string order = FirmwareOption.ParseBoot(request.Boot, ref firmware);
        firmware = firmware with { Entries = [.. Entries(request)] };
        devices.Insert(1, firmware);
        // The network is tried only where somebody asked for it: it is slow to give up.
        Number(devices, FirmwareOption.BootsFromNetwork(request.Boot) ? order : order.Replace("n", "", StringComparison.Ordinal));
        if (request.Firmware is null || request.Firmware == "seabios") AddNetworkRoms(devices);
    }

    /// <summary>Throws <see cref="UserException"/> for options that only firmware understands.</summary>
    internal static void Refuse(RunRequest request)
    {
        string? option = request.Firmware is not null ? "--firmware" : request.Boot is not null ? "--boot" : request.FwCfg.Count != 0 ? "--fw-cfg" : null;
        if (option is null) return;
        throw new UserException(request.Kernel is null
            ? $"{option} is for a machine that boots from a disk; name one: hutch run DISK."
            : $"{option} is for a machine that boots from a disk, and --kernel names a kernel; leave one of them out.", ExitStatus.Usage);
    }

    // UEFI has drivers of its own.
    private static void AddNetworkRoms(List<DeviceConfig> devices)
    {
        for (int index = 0; index < devices.Count; index++)
            if (devices[index] is NetCardConfig { BootIndex: not null, RomPath: null } card) devices[index] = card with { RomPath = FirmwareOption.FindNetworkRom(card) };
    }

    private static List<FwCfgEntry> Entries(RunRequest request)
    {
        List<FwCfgEntry> entries = [];
        foreach (string text in request.FwCfg)
        {
            FwCfgEntry entry = FirmwareOption.ParseEntry(text);
            if (entries.Exists(other => other.Name == entry.Name)) throw OptionText.Bad("--fw-cfg", text, "there are two entries of that name; leave one out.");
            entries.Add(entry);
        }
        return entries;
    }

    // Devices that have a number of their own come first; the rest follows by the letters, in the order of the command line.
    private static void Number(List<DeviceConfig> devices, string order)
    {
        const int First = 10_000;
        int next = First;
        foreach (char letter in order)
            for (int index = 0; index < devices.Count; index++)
            {
                switch (devices[index])
                {
                    case NetCardConfig { BootIndex: null } card when letter == 'n':
                        devices[index] = card with { BootIndex = next++ };
                        break;
                    case VirtioBlockConfig { BootIndex: null } disk when letter == 'c':
                        devices[index] = disk with { BootIndex = next++ };
                        break;
                    case VirtioScsiConfig scsi when letter == 'c':
                        ImmutableArray<ScsiDriveConfig>.Builder targets = scsi.Drives.ToBuilder();
                        for (int i = 0; i < targets.Count; i++)
                            if (targets[i].BootIndex is null) targets[i] = targets[i] with { BootIndex = next++ };
                        devices[index] = scsi with { Drives = targets.ToImmutable() };
                        break;
                    case AhciConfig ahci: devices[index] = ahci with { Drives = Number(ahci.Drives, letter, ref next) }; break;
                    case IdeConfig ide: devices[index] = ide with { Drives = Number(ide.Drives, letter, ref next) }; break;
                }
            }
    }

    private static ImmutableArray<AtaDriveConfig> Number(ImmutableArray<AtaDriveConfig> all, char letter, ref int next)
    {
        ImmutableArray<AtaDriveConfig>.Builder drives = all.ToBuilder();
        for (int i = 0; i < drives.Count; i++)
            if (drives[i].BootIndex is null && letter == (drives[i].IsCdRom ? 'd' : 'c')) drives[i] = drives[i] with { BootIndex = next++ };
        return drives.ToImmutable();
    }
}
