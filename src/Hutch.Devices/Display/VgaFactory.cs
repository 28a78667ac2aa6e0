using System.Numerics;
using Hutch.Devices.Pci;
using Hutch.Model.Machine;

namespace Hutch.Devices.Display;

/// <summary>Makes the display adapter.</summary>
internal sealed class VgaFactory : IDeviceFactory<VgaConfig>
{
    /// <inheritdoc/>
    public IDevice Create(VgaConfig config, MachineServices services)
    {
        if (config.MemoryMiB is < 1 or > VgaConfig.MostMemoryMiB || !BitOperations.IsPow2(config.MemoryMiB))
            throw new ConfigException($"The display '{config.Id}' cannot have {config.MemoryMiB} MiB of memory; give it a power of two from 1 to {VgaConfig.MostMemoryMiB}.");
        if (services.Memory.Layout.HiddenSegments != 0) throw new ConfigException($"The display '{config.Id}' is the machine's second; leave one out.");
        return new VgaCard(config.Id, services, config.MemoryMiB << 20, config.RomPath is null ? null : OptionRom.Load(config.Id, config.RomPath));
    }
}
