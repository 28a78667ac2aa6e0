using Hutch.Devices.Virtio.Transport;
using Hutch.Model.Machine;

namespace Hutch.Devices.Virtio.Mem;

/// <summary>Makes the device that plugs memory in; a machine has one at the most.</summary>
internal sealed class VirtioMemFactory : IDeviceFactory<VirtioMemConfig>
{
    /// <inheritdoc/>
    public IDevice Create(VirtioMemConfig config, MachineServices services)
    {
        if (services.PluggableMemory is not null) throw new ConfigException($"The machine has a device for memory that is plugged in already; leave '{config.Id}' out.");
        if (services.Memory.PluggableBytes == 0) throw new ConfigException($"There is no memory that '{config.Id}' could plug in; say how much with --memory SIZE,max=SIZE.");
        VirtioMem memory = new(config.Id, services.Memory);
        VirtioPci device = VirtioPci.Create(memory, services);
        services.PluggableMemory = memory;
        return device;
    }
}
