using System.Collections.Generic;
using System.Linq;
using Hutch.Model.Domains;

namespace Hutch.Management.Domains.Defaults;

/// <summary>Controllers that a machine has or that its devices need, and their numbers.</summary>
internal static class ControllerDefaults
{
    /// <summary>More controllers of a type than any machine has.</summary>
    private const uint MostImplied = 64;

    /// <summary>What a machine has without being told: USB, the root of PCI, SATA.</summary>
    internal static void AddRoots(List<DomainDevice> devices, bool isExpress)
    {
        if (!Has(devices, "usb")) devices.Add(new ControllerDevice { Type = "usb", Index = 0, Model = isExpress ? "qemu-xhci" : "piix3-uhci" });
        string root = isExpress ? "pcie-root" : "pci-root";
        int found = devices.FindIndex(static device => device is ControllerDevice { Type: "pci", Model: "pci-root" or "pcie-root" });
        if (found < 0)
        {
            if (devices.Any(static device => device is ControllerDevice { Type: "pci", Index: 0 })) throw DomainDefaults.Unsupported($"the PCI controller with index 0 must be model='{root}' for this machine type");
            devices.Add(new ControllerDevice { Type = "pci", Index = 0, Model = root });
        }
        else
        {
            ControllerDevice said = (ControllerDevice)devices[found];
            if (said.Model != root || said.Index is not (null or 0)) throw DomainDefaults.Unsupported($"the PCI controller with index 0 must be model='{root}' for this machine type, but model='{said.Model}' index='{said.Index ?? 0}' was found");
            devices[found] = said with { Index = 0 };
        }
        if (isExpress && !devices.Any(static device => device is ControllerDevice { Type: "sata", Index: null or 0 })) devices.Add(new ControllerDevice { Type = "sata", Index = 0 });
    }

    private static bool Has(List<DomainDevice> devices, string type) => devices.Any(device => device is ControllerDevice controller && controller.Type == type);

    /// <summary>Numbers controllers that have none; companions of a USB 2 controller have its number.</summary>
    internal static void Number(List<DomainDevice> devices)
    {
        for (int i = 0; i < devices.Count; i++)
        {
            if (devices[i] is not ControllerDevice { Index: null } controller) continue;
            devices[i] = controller with { Index = GroupOf(devices, i, controller) ?? Unused(devices, controller.Type) };
        }
    }

    private static int? GroupOf(List<DomainDevice> devices, int place, ControllerDevice controller)
    {
        if (!IsUsb2(controller)) return null;
        ControllerDevice? before = devices.Take(place).OfType<ControllerDevice>().LastOrDefault(static other => IsUsb2(other) && other.Index is not null);
        if (before is null || devices.OfType<ControllerDevice>().Any(other => other.Type == "usb" && other.Index == before.Index && other.Model == controller.Model)) return null;
        return before.Index;
    }

    internal static bool IsUsb2(ControllerDevice controller) => controller is { Type: "usb", Model: "ich9-ehci1" or "ich9-uhci1" or "ich9-uhci2" or "ich9-uhci3" };

    private static int Unused(List<DomainDevice> devices, string type)
    {
        HashSet<int> used = [.. devices.OfType<ControllerDevice>().Where(other => other.Type == type).Select(static other => other.Index ?? -1)];
        int index = 0;
        while (used.Contains(index)) index++;
        return index;
    }

    /// <summary>Adds the controllers of drives and channels.</summary>
    internal static void Add(List<DomainDevice> devices, DomainDefinition domain)
    {
        foreach ((string bus, string type) in ((string, string)[])[("fdc", "fdc"), ("ide", "ide"), ("sata", "sata"), ("scsi", "scsi")])
        {
            DiskDevice[] disks = [.. devices.OfType<DiskDevice>().Where(disk => disk.Bus == bus)];
            if (disks.Length == 0) continue;
            if (bus == "ide" && DomainDefaults.IsExpress(domain)) throw DomainDefaults.Unsupported($"IDE controllers are unsupported for machine type {domain.Os.Machine}: give disk '{disks[0].Target}' another bus, such as sata");
            AddUpTo(devices, type, disks.Max(disk => disk.Address is DriveAddress drive ? drive.Controller : DriveAddresses.Default(disk).Controller));
        }
        uint? channels = devices.OfType<CharacterDevice>().Where(static device => device is { Kind: "channel" or "console", TargetType: "virtio" })
            .Select(static device => (uint?)((device.Address as VirtioSerialAddress)?.Controller ?? 0)).Max();
        if (channels is { } most) AddUpTo(devices, "virtio-serial", most);
    }

    private static void AddUpTo(List<DomainDevice> devices, string type, uint last)
    {
        if (last >= MostImplied) throw DomainDefaults.Unsupported($"a {type} controller with index {last} would be needed; there are at most {MostImplied}");
        for (int index = 0; index <= (int)last; index++)
        {
            if (devices.Any(device => device is ControllerDevice controller && controller.Type == type && controller.Index == index)) continue;
            devices.Add(new ControllerDevice { Type = type, Index = index, Model = type == "scsi" ? "virtio-scsi" : null });
        }
    }
}
