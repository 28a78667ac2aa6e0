using System;
using Hutch.Core.Bus;
using Hutch.Core.State;
using Hutch.Model.Machine;

namespace Hutch.Devices.TestDevices;

/// <summary>A port whose write ends the process with <c>(value &lt;&lt; 1) | 1</c>, as QEMU's isa-debug-exit does. Reads give zero.</summary>
internal sealed class DebugExit(string name, IPlatformEvents platform) : IBusDevice, IDevice
{
    /// <inheritdoc/>
    public string Name => name;

    /// <inheritdoc/>
    public BusStatus Read(ulong offset, Span<byte> data)
    {
        data.Clear();
        return BusStatus.Handled;
    }

    /// <inheritdoc/>
    public BusStatus Write(ulong offset, ReadOnlySpan<byte> data)
    {
        uint value = 0;
        for (int i = 0; i < data.Length && i < sizeof(uint); i++) value |= (uint)data[i] << (8 * i);
        platform.Exit((int)(value << 1 | 1));
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

/// <summary>Makes <see cref="DebugExit"/>.</summary>
internal sealed class DebugExitFactory : IDeviceFactory<DebugExitConfig>
{
    /// <inheritdoc/>
    public IDevice Create(DebugExitConfig config, MachineServices services)
    {
        if (config.SizeBytes is < 1 or > 4)
            throw new ConfigException($"Device '{config.Id}' asks for a port of {config.SizeBytes} bytes; choose a size from 1 to 4.");
        DebugExit device = new(config.Id, services.Platform);
        if (!services.Ports.Reserve(config.Id, (ulong)config.SizeBytes, device).MapAt(config.Port))
            throw new ConfigException($"Device '{config.Id}' asks for port 0x{config.Port:x}, which another device has; choose another port.");
        return device;
    }
}
