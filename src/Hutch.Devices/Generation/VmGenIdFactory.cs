using Hutch.Model.Machine;

namespace Hutch.Devices.Generation;

/// <summary>Makes <see cref="VmGenId"/>.</summary>
internal sealed class VmGenIdFactory : IDeviceFactory<VmGenIdConfig>
{
    /// <inheritdoc/>
    public IDevice Create(VmGenIdConfig config, MachineServices services) => new VmGenId(config, services);
}
