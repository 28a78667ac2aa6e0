using System.Collections.Generic;
using Hutch.Block.Graph;
using Hutch.Devices.Firmware;
using Hutch.Model.Machine;

namespace Hutch.Devices.Ahci;

/// <summary>Makes the SATA controller with its drives.</summary>
internal sealed class AhciFactory : IDeviceFactory<AhciConfig>
{
    private const int DiscSectorBytes = 2048;

    /// <inheritdoc/>
    public IDevice Create(AhciConfig config, MachineServices services)
    {
        if (config.Drives.Length > AhciConfig.PortCount)
            throw new ConfigException($"The SATA controller '{config.Id}' has {AhciConfig.PortCount} ports for {config.Drives.Length} drives; leave some out.");
        List<SataDrive> drives = [];
        try
        {
            foreach (SataDriveConfig drive in config.Drives) drives.Add(Open(drive, services));
            AhciController controller = new(config.Id, services, [.. drives]);
            for (int port = 0; port < drives.Count; port++)
                if (config.Drives[port].BootIndex is int index)
                    services.BootDevices.Add(new BootDevice(index, $"/pci@i0cf8/pci8086,2922@{controller.Slot:x},{controller.Number:x}/drive@{port:x}/disk@0"));
            return controller;
        }
        catch
        {
            foreach (SataDrive drive in drives) drive.Dispose();
            throw;
        }
    }

    private static SataDrive Open(SataDriveConfig config, MachineServices services)
    {
        BlockNode node = services.OpenDisk(config.Disk);
        if (!config.IsCdRom) return new SataDisk(config, node);
        if (node.Limits.RequestAlignmentBytes <= DiscSectorBytes) return new SataCdRom(config, node);
        _ = node.DisposeAsync().AsTask();
        throw new ConfigException($"The disc in '{config.Id}' is on storage with blocks of {node.Limits.RequestAlignmentBytes} bytes; use another cache mode.");
    }
}
