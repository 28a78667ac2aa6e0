using System;
using Hutch.Devices.Firmware;
using Hutch.Devices.Pci;
using Hutch.Model.Machine;
using Hutch.Net;

namespace Hutch.Devices.Ethernet;

/// <summary>What every factory of network cards does.</summary>
internal static class NetworkCards
{
    /// <summary>Makes a card of its configuration. Throws <see cref="ConfigException"/>.</summary>
    /// <param name="config">The card.</param>
    /// <param name="services">The machine, which gets to know the card.</param>
    /// <param name="mtuBytes">The longest IP packet; 0: as the back end likes.</param>
    /// <param name="queues">Queues that the card wants.</param>
    /// <param name="make">Makes it, and owns the back end when it returns.</param>
    internal static IDevice Create(NetCardConfig config, MachineServices services, int mtuBytes, int queues, Maker make)
    {
        Span<byte> address = stackalloc byte[MacAddress.Bytes];
        if (!MacAddress.TryParse(config.Mac, address))
            throw new ConfigException($"'{config.Mac}' cannot be the address of the network card {config.Id}; write six bytes like 52:54:00:12:34:56, the first one even.");
        OptionRom? rom = config.RomPath is null ? null : OptionRom.Load(config.Id, config.RomPath);
        INetBackend backend = services.OpenNetwork(new NetworkRequest(config.Id, config.Mac, config.Backend, mtuBytes, queues));
        INetworkCard card;
        IDevice device;
        try
        {
            if (services.Pci is { } bus) bus.WantedRom = rom;
            (device, card) = make(backend, address);
        }
        catch
        {
            backend.Dispose();
            throw;
        }
        finally
        {
            if (services.Pci is { } bus) bus.WantedRom = null;
        }
        services.NetworkCards.Add(card);
        if (config.BootIndex is int index && device is PciFunction function)
            services.BootDevices.Add(new BootDevice(index, $"/pci@i0cf8/ethernet@{function.Slot:x}/ethernet-phy@0"));
        return device;
    }

    /// <summary>Makes the device of a card on its back end, with its address.</summary>
    internal delegate (IDevice Device, INetworkCard Card) Maker(INetBackend backend, ReadOnlySpan<byte> address);
}
