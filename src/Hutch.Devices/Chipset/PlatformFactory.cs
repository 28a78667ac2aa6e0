using Hutch.Model.Machine;

namespace Hutch.Devices.Chipset;

/// <summary>Makes the chipset and gives the machine its interrupt controllers. Created first, as the other devices need them.</summary>
internal sealed class PlatformFactory : IDeviceFactory<PlatformConfig>
{
    /// <inheritdoc/>
    public IDevice Create(PlatformConfig config, MachineServices services)
    {
        Platform platform = new(config, services);
        services.Gsi = platform.Gsi;
        services.Controllers = platform;
        services.Pci = platform.Pci;
        services.Chipset = platform;
        services.Hotplug = platform.Hotplug;
        services.CpuHotplug = platform.Cpus;
        services.PowerButton = platform.PressPowerButton;
        return platform;
    }
}
