using Hutch.Model.Machine;

namespace Hutch.Devices.Alarms;

/// <summary>Makes watchdogs.</summary>
internal sealed class WatchdogFactory : IDeviceFactory<WatchdogConfig>
{
    /// <inheritdoc/>
    public IDevice Create(WatchdogConfig config, MachineServices services) => new Watchdog(config, services);
}

/// <summary>Makes <see cref="Pvpanic"/>.</summary>
internal sealed class PvpanicFactory : IDeviceFactory<PvpanicConfig>
{
    /// <inheritdoc/>
    public IDevice Create(PvpanicConfig config, MachineServices services) => new Pvpanic(config, services);
}
