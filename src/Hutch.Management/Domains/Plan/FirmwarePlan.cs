using System;
using System.Collections.Generic;
using System.Collections.Immutable;
using System.Linq;
using Hutch.Host.Firmware;
using Hutch.Model.Domains;
using Hutch.Model.Machine;

namespace Hutch.Management.Domains.Plan;

/// <summary>What a machine boots from: its firmware, and which device is tried when.</summary>
internal static class FirmwarePlan
{
    // Devices with a number of their own come first.
    private const int FirstByKind = 10_000;

    internal static void Add(PlanBuilder builder)
    {
        if (!builder.HasFirmware) return;
        DomainOs os = builder.Definition.Os;
        FirmwareConfig firmware = builder.IsUefi ? Uefi(builder, os)
            : new FirmwareConfig("firmware", os.Loader?.Path ?? FirmwareFiles.SeaBios ?? throw Missing("SeaBIOS", "seabios", FirmwareFiles.UsualSeaBios));
        builder.Devices.Add(firmware with { Menu = os.BootMenu == true, MenuMilliseconds = os.BootMenuTimeoutMs is { } wait ? (int)Math.Min(wait, ushort.MaxValue) : null });
    }

    /// <summary>Numbers the devices that are there by now.</summary>
    internal static void AddBootOrder(PlanBuilder builder)
    {
        if (!builder.HasFirmware) return;
        Dictionary<string, int> own = [];
        foreach (DomainDevice device in builder.Definition.Devices)
            if (device.BootOrder is { } order) own[NameOf(device)] = (int)Math.Min(order, FirstByKind - 1);
        ImmutableArray<string> kinds = own.Count != 0 ? [] : builder.Definition.Os.BootDevices.IsEmpty ? ["hd"] : builder.Definition.Os.BootDevices;
        int next = FirstByKind;
        foreach (string kind in kinds)
            foreach (DomainDevice device in builder.Definition.Devices)
                if (IsOf(device, kind)) own.TryAdd(NameOf(device), next++);
        for (int index = 0; index < builder.Devices.Count; index++) builder.Devices[index] = Numbered(builder.Devices[index], own, builder.IsUefi);
    }

    internal static string NameOf(DomainDevice device) => device is DiskDevice disk ? disk.Target : device.Alias ?? "";

    private static bool IsOf(DomainDevice device, string kind) => (device, kind) switch
    {
        (DiskDevice { Device: "disk" or "lun" }, "hd") or (DiskDevice { Device: "cdrom" }, "cdrom") or (InterfaceDevice, "network") => true,
        _ => false,
    };

    private static DeviceConfig Numbered(DeviceConfig device, Dictionary<string, int> order, bool isUefi)
    {
        return device switch
        {
            VirtioBlockConfig disk => disk with { BootIndex = Of(disk.Id) },
            VirtioScsiConfig scsi => scsi with { Drives = [.. scsi.Drives.Select(drive => drive with { BootIndex = Of(drive.Id) })] },
            AhciConfig ahci => ahci with { Drives = [.. ahci.Drives.Select(drive => drive with { BootIndex = Of(drive.Id) })] },
            IdeConfig ide => ide with { Drives = [.. ide.Drives.Select(drive => drive with { BootIndex = Of(drive.Id) })] },
            NetCardConfig card when Of(card.Id) is { } place => card with { BootIndex = place, RomPath = isUefi ? null : RomOf(card) },
            _ => device,
        };

        int? Of(string id) => order.TryGetValue(id, out int place) ? place : null;
    }

    private static FirmwareConfig Uefi(PlanBuilder builder, DomainOs os)
    {
        OvmfFiles? found = FirmwareFiles.Ovmf;
        string image = os.Loader?.Path ?? found?.Image ?? throw Missing("OVMF", "ovmf", FirmwareFiles.UsualOvmf);
        string? template = os.Nvram?.Template ?? found?.Template;
        if (os.Loader?.Stateless == true) return new FirmwareConfig("firmware", image);
        string variables = os.Nvram?.Path ?? builder.Places.Variables;
        if (template is not null) builder.Files.Add(new PlanFile(variables, [], template));
        return new FirmwareConfig("firmware", image) { VariablesPath = variables };
    }

    private static string RomOf(NetCardConfig card)
    {
        string name = card switch { E1000Config => "e1000", Rtl8139Config => "rtl8139", _ => "virtio" };
        return FirmwareFiles.NetworkRom(name) ?? throw Missing("iPXE, by which a guest boots from the network,", "ipxe-qemu", FirmwareFiles.UsualNetworkRom(name));
    }

    private static ManagementException Missing(string what, string package, string path) =>
        new(FailureKind.HostFailed, $"{what} is not installed (there is no {path}); install the package '{package}'");
}
