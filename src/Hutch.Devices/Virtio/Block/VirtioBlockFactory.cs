using Hutch.Devices.Firmware;
using Hutch.Devices.Virtio.Transport;
using Hutch.Model.Machine;

namespace Hutch.Devices.Virtio.Block;

/// <summary>Makes disks.</summary>
internal sealed class VirtioBlockFactory : IDeviceFactory<VirtioBlockConfig>
{
    /// <inheritdoc/>
    public IDevice Create(VirtioBlockConfig config, MachineServices services)
    {
        if (config.Queues is < 1 or > VirtioBlockConfig.MostQueues)
            throw new ConfigException($"The disk {config.Id} cannot have {config.Queues} queues; give it 1 to {VirtioBlockConfig.MostQueues}.");
        VirtioBlock disk = new(config, services, services.OpenDisk(config.Disk));
        VirtioPci device = VirtioPci.Create(disk, services);
        services.Disks.Add(disk);
        // The path that QEMU's firmware expects: a SCSI adapter by its class, and its first disk.
        if (config.BootIndex is int index) services.BootDevices.Add(new BootDevice(index, $"/pci@i0cf8/scsi@{device.Slot:x}/disk@0,0"));
        return device;
    }
}
