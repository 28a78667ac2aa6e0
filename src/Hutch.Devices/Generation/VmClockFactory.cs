using Hutch.Model.Machine;

namespace Hutch.Devices.Generation;

/// <summary>Makes <see cref="VmClock"/>.</summary>
internal sealed class VmClockFactory : IDeviceFactory<VmClockConfig>
{
    /// <inheritdoc/>
    public IDevice Create(VmClockConfig config, MachineServices services) => new VmClock(config, services);
}
