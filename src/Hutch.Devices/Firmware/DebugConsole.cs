using System;
using Hutch.Core.Bus;
using Hutch.Core.State;
using Hutch.Host.Events;
using Hutch.Model.Machine;

namespace Hutch.Devices.Firmware;

/// <summary>The port on which firmware writes what it does; it reads as 0xe9, so that firmware knows that somebody listens (QEMU's isa-debugcon). Any thread.</summary>
internal sealed class DebugConsole(string name, ICharacterChannel channel) : IDevice, IBusDevice
{
    private const byte Listening = 0xe9;

    /// <inheritdoc/>
    public string Name => name;

    /// <inheritdoc/>
    public BusStatus Read(ulong offset, Span<byte> data)
    {
        data.Fill(Listening);
        return BusStatus.Handled;
    }

    /// <inheritdoc/>
    public BusStatus Write(ulong offset, ReadOnlySpan<byte> data)
    {
        channel.Write(data);
        return BusStatus.Handled;
    }

    /// <inheritdoc/>
    public void Start() { }

    /// <inheritdoc/>
    public void Stop() { }

    /// <inheritdoc/>
    public void Reset() { }

    /// <inheritdoc/>
    public void Exchange(StateFields fields) { }

    /// <inheritdoc/>
    public void Dispose() { }
}

/// <summary>Makes debug consoles.</summary>
internal sealed class DebugConsoleFactory : IDeviceFactory<DebugConsoleConfig>
{
    /// <inheritdoc/>
    public IDevice Create(DebugConsoleConfig config, MachineServices services)
    {
        if (services.Ports.Find(config.Port) is BusRegion other)
            throw new ConfigException($"The debug console '{config.Id}' asks for port 0x{config.Port:x}, which '{other.Name}' has; choose another with iobase.");
        DebugConsole console = new(config.Id, services.OpenChannel(config.Backend));
        services.Ports.Map(config.Id, config.Port, 1, console);
        return console;
    }
}
