using Hutch.Core.Bus;
using Hutch.Model.Machine;

namespace Hutch.Devices.Serial;

/// <summary>Makes COM1 to COM4 at the PC's ports. COM1 and COM3 share a global system interrupt, and so do COM2 and COM4.</summary>
internal sealed class SerialFactory : IDeviceFactory<SerialConfig>
{
    /// <inheritdoc/>
    public IDevice Create(SerialConfig config, MachineServices services)
    {
        if (config.Port is < 1 or > SerialPorts.Count)
            throw new ConfigException($"Serial device '{config.Id}' asks for COM{config.Port}; choose a port from 1 to {SerialPorts.Count}.");
        ushort port = SerialPorts.PortOf(config.Port);
        if (services.Ports.Find(port) is BusRegion other)
            throw new ConfigException($"Serial device '{config.Id}' asks for COM{config.Port}, which '{other.Name}' has; choose another port.");
        Uart16550 uart = new(config.Id, services.ConnectGsi(SerialPorts.GsiOf(config.Port)), services.OpenChannel(config.Backend));
        uart.MapOn(services.Ports, port);
        return uart;
    }
}
