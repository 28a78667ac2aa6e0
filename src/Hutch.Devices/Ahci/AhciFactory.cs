using Hutch.Devices.Ata;
using Hutch.Devices.Firmware;
using Hutch.Model.Machine;

namespace Hutch.Devices.Ahci;

/// <summary>Makes the SATA controller with its drives.</summary>
internal sealed class AhciFactory : IDeviceFactory<AhciConfig>
{
    /// <inheritdoc/>
    public IDevice Create(AhciConfig config, MachineServices services)
    {
        AtaDrive?[] drives = AtaDrives.Open(config.Id, config.Drives, AhciConfig.PortCount, AtaBus.Serial, services);
        try
        {
            AhciController controller = new(config.Id, services, drives);
            for (int port = 0; port < drives.Length; port++)
                if (drives[port]?.BootIndex is int index)
                    services.BootDevices.Add(new BootDevice(index, $"/pci@i0cf8/pci8086,2922@{controller.Slot:x},{controller.Number:x}/drive@{port:x}/disk@0"));
            return controller;
        }
        catch
        {
            foreach (AtaDrive? drive in drives) drive?.Dispose();
            throw;
        }
    }
}
