using Hutch.Devices.Virtio.Transport;
using Hutch.Host.Events;
using Hutch.Model.Machine;

namespace Hutch.Devices.Virtio.Console;

/// <summary>Makes consoles.</summary>
internal sealed class VirtioConsoleFactory : IDeviceFactory<VirtioConsoleConfig>
{
    /// <inheritdoc/>
    public IDevice Create(VirtioConsoleConfig config, MachineServices services)
    {
        ICharacterChannel channel = services.OpenChannel(config.Backend);
        return VirtioPci.Create(new VirtioConsole(config.Id, services.Memory, channel), services);
    }
}
