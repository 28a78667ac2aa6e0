using Hutch.Model.Machine;

namespace Hutch.Devices.Ethernet.Rtl8139;

/// <summary>Makes Realtek RTL8139C+ cards.</summary>
internal sealed class Rtl8139Factory : IDeviceFactory<Rtl8139Config>
{
    /// <inheritdoc/>
    public IDevice Create(Rtl8139Config config, MachineServices services) => NetworkCards.Create(config, services, EthernetCard.MtuBytes, queues: 1, (backend, address) =>
    {
        Rtl8139Card card = new(config, services, backend, address);
        return (card, card);
    });
}
