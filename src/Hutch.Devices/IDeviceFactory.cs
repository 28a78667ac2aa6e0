using Hutch.Core.State;
using Hutch.Model.Machine;

namespace Hutch.Devices;

/// <summary>A device of the machine, as the builder and the state driver see it. Disposing it ends its threads and closes what it opened.</summary>
public interface IDevice : IStateUnit, System.IDisposable;

/// <summary>Turns a configuration record into a device. Lives beside the device, so that the builder names no concrete type.</summary>
public interface IDeviceFactory<in TConfig> where TConfig : DeviceConfig
{
    /// <summary>Creates the device and connects it to buses, interrupts and back ends. Throws <see cref="ConfigException"/> for an operator's mistake.</summary>
    IDevice Create(TConfig config, MachineServices services);
}
