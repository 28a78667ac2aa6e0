using Hutch.Devices.Virtio.Transport;
using Hutch.Model.Machine;

namespace Hutch.Devices.Virtio.Balloon;

/// <summary>Makes memory balloons; a machine has one at the most.</summary>
internal sealed class VirtioBalloonFactory : IDeviceFactory<VirtioBalloonConfig>
{
    /// <inheritdoc/>
    public IDevice Create(VirtioBalloonConfig config, MachineServices services)
    {
        if (services.Balloon is not null) throw new ConfigException($"The machine has a memory balloon already; leave '{config.Id}' out.");
        VirtioBalloon balloon = new(config, services);
        VirtioPci device = VirtioPci.Create(balloon, services);
        services.Balloon = balloon;
        return device;
    }
}
