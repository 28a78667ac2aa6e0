using System.Collections.Generic;
using Hutch.Model.Domains;

namespace Hutch.Management.Domains.Defaults;

/// <summary>Places of disks on IDE, SATA, SCSI and floppy controllers: they follow from the disk's name.</summary>
internal static class DriveAddresses
{
    internal static void Assign(List<DomainDevice> devices, DomainDefinition domain)
    {
        Dictionary<(string Bus, DriveAddress Address), string> used = [];
        for (int i = 0; i < devices.Count; i++)
        {
            if (devices[i] is not DiskDevice { Bus: "ide" or "sata" or "scsi" or "fdc" } disk) continue;
            DriveAddress address = disk.Address as DriveAddress ?? Default(disk);
            if (!used.TryAdd((disk.Bus, address), disk.Target))
                throw DomainDefaults.Bad($"Found duplicate drive address for disk with target name '{disk.Target}' controller='{address.Controller}' bus='{address.Bus}' target='{address.Target}' unit='{address.Unit}' in domain '{domain.Name}'");
            devices[i] = disk with { Address = address };
        }
    }

    internal static DriveAddress Default(DiskDevice disk)
    {
        int index = DiskNames.IndexOf(disk.Target);
        if (index < 0) throw DomainDefaults.Bad($"Unable to determine the place of disk '{disk.Target}': give it a name such as sda, or an address");
        uint place = (uint)index;
        return disk.Bus switch
        {
            "ide" => new DriveAddress(place / 4, place % 4 / 2, 0, place % 2),
            "sata" => new DriveAddress(place / 6, 0, 0, place % 6),
            "fdc" => new DriveAddress(place / 2, 0, 0, place % 2),
            _ => new DriveAddress(place / 7, 0, 0, place % 7),
        };
    }
}
