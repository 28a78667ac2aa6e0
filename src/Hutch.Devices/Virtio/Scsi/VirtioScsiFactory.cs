using System.Collections.Generic;
using Hutch.Devices.Firmware;
using Hutch.Devices.Storage;
using Hutch.Devices.Virtio.Transport;
using Hutch.Model.Machine;

namespace Hutch.Devices.Virtio.Scsi;

/// <summary>Makes SCSI hosts with their disks.</summary>
internal sealed class VirtioScsiFactory : IDeviceFactory<VirtioScsiConfig>
{
    /// <inheritdoc/>
    public IDevice Create(VirtioScsiConfig config, MachineServices services)
    {
        if (config.Queues is < 1 or > VirtioScsiConfig.MostQueues)
            throw new ConfigException($"The SCSI controller '{config.Id}' cannot have {config.Queues} queues; give it 1 to {VirtioScsiConfig.MostQueues}.");
        if (config.Drives.Length > VirtioScsiConfig.MostDrives)
            throw new ConfigException($"The SCSI controller '{config.Id}' has {VirtioScsiConfig.MostDrives} targets and {config.Drives.Length} disks are asked for; leave some out.");
        ScsiDisk[] disks = Open(config, services);
        VirtioPci device = VirtioPci.Create(new VirtioScsi(config, services, disks), services);
        services.Disks.AddRange(disks);
        // The path that QEMU's firmware expects.
        for (int target = 0; target < disks.Length; target++)
            if (disks[target].BootIndex is int index) services.BootDevices.Add(new BootDevice(index, $"/pci@i0cf8/scsi@{device.Slot:x}/channel@0/disk@{target:x},0"));
        return device;
    }

    private static ScsiDisk[] Open(VirtioScsiConfig config, MachineServices services)
    {
        List<ScsiDisk> disks = [];
        try
        {
            foreach (ScsiDriveConfig drive in config.Drives) disks.Add(new ScsiDisk(drive, services.OpenDisk(drive.Disk), services.Platform));
        }
        catch
        {
            foreach (ScsiDisk disk in disks) DiskNodes.Close(disk.Node);
            throw;
        }
        return [.. disks];
    }
}
