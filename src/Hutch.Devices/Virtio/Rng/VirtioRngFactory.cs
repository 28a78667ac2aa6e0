using Hutch.Devices.Virtio.Transport;
using Hutch.Model.Machine;

namespace Hutch.Devices.Virtio.Rng;

/// <summary>Makes entropy devices.</summary>
internal sealed class VirtioRngFactory : IDeviceFactory<VirtioRngConfig>
{
    /// <inheritdoc/>
    public IDevice Create(VirtioRngConfig config, MachineServices services) =>
        VirtioPci.Create(new VirtioRng(config.Id, services.Memory), services);
}
