using System;
using Hutch.Devices.Ethernet;
using Hutch.Devices.Virtio.Transport;
using Hutch.Model.Machine;
using static Hutch.Devices.Virtio.Net.VirtioNetRegisters;

namespace Hutch.Devices.Virtio.Net;

/// <summary>Makes network cards.</summary>
internal sealed class VirtioNetFactory : IDeviceFactory<VirtioNetConfig>
{
    /// <inheritdoc/>
    public IDevice Create(VirtioNetConfig config, MachineServices services)
    {
        if (config.Queues is < 1 or > VirtioNetConfig.MostQueues)
            throw new ConfigException($"The network card {config.Id} cannot have {config.Queues} queues; give it 1 to {VirtioNetConfig.MostQueues}.");
        if (config.MtuBytes != 0 && config.MtuBytes is < LeastMtu or > VirtioNetConfig.LongestMtu)
            throw new ConfigException($"The network card {config.Id} cannot have an MTU of {config.MtuBytes} bytes; give it {LeastMtu} to {VirtioNetConfig.LongestMtu}.");
        // A driver in a ROM has little memory: it cannot keep buffers for packets longer than Ethernet's.
        if (config is { MtuBytes: 0, RomPath: not null }) config = config with { MtuBytes = EthernetMtu };
        return NetworkCards.Create(config, services, config.MtuBytes, config.Queues, (backend, address) =>
        {
            VirtioNet card = new(config, services, backend, Math.Min(config.Queues, backend.MostQueues), address);
            return (VirtioPci.Create(card, services), card);
        });
    }
}
