using Hutch.Devices.Ata;
using Hutch.Devices.Chipset;
using Hutch.Devices.Firmware;
using Hutch.Model.Machine;

namespace Hutch.Devices.Ide;

/// <summary>Makes the IDE controller with its drives.</summary>
internal sealed class IdeFactory : IDeviceFactory<IdeConfig>
{
    /// <inheritdoc/>
    public IDevice Create(IdeConfig config, MachineServices services)
    {
        if (services.Pci?.Machine != MachineKind.Pc)
            throw new ConfigException($"The IDE controller '{config.Id}' is a part of the machine pc; make the machine a pc, or its drives SATA or virtio.");
        if (services.Pci.Has(Piix3Bridge.ChipsetSlot, IdeController.Function)) throw new ConfigException($"The IDE controller '{config.Id}' is the machine's second; leave one out.");
        AtaDrive?[] drives = AtaDrives.Open(config.Id, config.Drives, IdeConfig.DriveCount, AtaBus.Parallel, services);
        try
        {
            IdeController controller = new(config.Id, services, drives);
            for (int place = 0; place < drives.Length; place++)
                if (drives[place]?.BootIndex is int index)
                    services.BootDevices.Add(new BootDevice(index, $"/pci@i0cf8/ide@{controller.Slot:x},{controller.Number:x}/drive@{place / 2:x}/disk@{place % 2:x}"));
            return controller;
        }
        catch
        {
            foreach (AtaDrive? drive in drives) drive?.Dispose();
            throw;
        }
    }
}
