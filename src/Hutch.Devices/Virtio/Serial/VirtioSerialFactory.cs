using System;
using System.IO;
using Hutch.Devices.Virtio.Transport;
using Hutch.Host.Linux;
using Hutch.Host.Sockets;
using Hutch.Model.Machine;

namespace Hutch.Devices.Virtio.Serial;

/// <summary>Makes consoles with several ports. The first console is port 0, where drivers that know no other look for it; what has a name comes behind.</summary>
internal sealed class VirtioSerialFactory : IDeviceFactory<VirtioSerialConfig>
{
    /// <inheritdoc/>
    public IDevice Create(VirtioSerialConfig config, MachineServices services)
    {
        if (config.Ports.Length > VirtioSerialConfig.MostPorts)
            throw new ConfigException($"The device '{config.Id}' has {VirtioSerialConfig.MostPorts} ports for {config.Ports.Length}; leave some out.");
        SerialPort[] ports = new SerialPort[1 + config.Ports.Length];
        int count = 1;
        try
        {
            foreach (SerialPortConfig port in config.Ports)
            {
                int number = port.IsConsole && ports[0] is null ? 0 : count++;
                ports[number] = new SerialPort(number, port.Name ?? "", port.IsConsole, Listen(port, services.Streams));
            }
        }
        catch
        {
            foreach (SerialPort? port in ports) port?.Dispose();
            throw;
        }
        ports[0] ??= new SerialPort(0, "", isConsole: true, listener: null);
        return VirtioPci.Create(new VirtioSerial(config.Id, services.Memory, ports[..count]), services);
    }

    private static ILocalStreamListener Listen(SerialPortConfig port, ILocalStreams streams)
    {
        try
        {
            return streams.Listen(port.Path);
        }
        catch (Exception refused) when (refused is IOException or UnauthorizedAccessException or LinuxException)
        {
            throw new ConfigException($"The port '{port.Id}' cannot listen on {port.Path} ({refused.Message.TrimEnd('.')}); check its directory, or whether another machine has it.", refused);
        }
    }
}
