using Hutch.Model.Machine;

namespace Hutch.Devices.Ethernet.E1000;

/// <summary>Makes Intel 82540EM cards.</summary>
internal sealed class E1000Factory : IDeviceFactory<E1000Config>
{
    /// <inheritdoc/>
    public IDevice Create(E1000Config config, MachineServices services) => NetworkCards.Create(config, services, EthernetCard.MtuBytes, queues: 1, (backend, address) =>
    {
        E1000Card card = new(config, services, backend, address);
        return (card, card);
    });
}
