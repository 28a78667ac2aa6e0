using System;
using Hutch.Devices.Virtio.Transport;
using Hutch.Model.Machine;
using Hutch.Net;
using static Hutch.Devices.Virtio.Net.VirtioNetRegisters;

namespace Hutch.Devices.Virtio.Net;

/// <summary>Makes network cards.</summary>
internal sealed class VirtioNetFactory : IDeviceFactory<VirtioNetConfig>
{
    /// <inheritdoc/>
    public IDevice Create(VirtioNetConfig config, MachineServices services)
    {
        Span<byte> address = stackalloc byte[MacAddress.Bytes];
        if (!MacAddress.TryParse(config.Mac, address))
            throw new ConfigException($"'{config.Mac}' cannot be the address of the network card {config.Id}; write six bytes like 52:54:00:12:34:56, the first one even.");
        if (config.Queues is < 1 or > VirtioNetConfig.MostQueues)
            throw new ConfigException($"The network card {config.Id} cannot have {config.Queues} queues; give it 1 to {VirtioNetConfig.MostQueues}.");
        if (config.MtuBytes != 0 && config.MtuBytes is < LeastMtu or > VirtioNetConfig.LongestMtu)
            throw new ConfigException($"The network card {config.Id} cannot have an MTU of {config.MtuBytes} bytes; give it {LeastMtu} to {VirtioNetConfig.LongestMtu}.");
        INetBackend backend = services.OpenNetwork(new NetworkRequest(config.Id, config.Mac, config.Backend, config.MtuBytes, config.Queues));
        VirtioNet card;
        try
        {
            card = new VirtioNet(config, services, backend, Math.Min(config.Queues, backend.MostQueues), address);
        }
        catch
        {
            backend.Dispose();
            throw;
        }
        VirtioPci device = VirtioPci.Create(card, services);
        services.NetworkCards.Add(card);
        return device;
    }
}
