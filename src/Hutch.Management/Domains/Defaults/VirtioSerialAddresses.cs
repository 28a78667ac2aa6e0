using System.Collections.Generic;
using System.Linq;
using Hutch.Model.Domains;

namespace Hutch.Management.Domains.Defaults;

/// <summary>Ports of virtio consoles. Port 0 is for consoles.</summary>
internal static class VirtioSerialAddresses
{
    private const uint UsualPorts = 31;

    internal static void Assign(List<DomainDevice> devices)
    {
        HashSet<(uint Controller, uint Port)> used = [];
        foreach (DomainDevice device in devices)
        {
            if (device.Address is not VirtioSerialAddress { Port: { } port } address) continue;
            if (!used.Add((address.Controller, port))) throw DomainDefaults.Bad($"virtio serial port {port} on controller {address.Controller} is already occupied");
        }
        for (int i = 0; i < devices.Count; i++)
        {
            if (devices[i] is not CharacterDevice { Kind: "channel" or "console", TargetType: "virtio" } device || device.Address is VirtioSerialAddress { Port: not null } || device.Address is OtherAddress) continue;
            devices[i] = device with { Address = Next(devices, used, device) };
        }
    }

    private static VirtioSerialAddress Next(List<DomainDevice> devices, HashSet<(uint Controller, uint Port)> used, CharacterDevice device)
    {
        uint? wanted = (device.Address as VirtioSerialAddress)?.Controller;
        foreach (ControllerDevice controller in devices.OfType<ControllerDevice>().Where(controller => controller.Type == "virtio-serial" && (wanted is null || controller.Index == wanted)))
        {
            uint index = (uint)(controller.Index ?? 0);
            for (uint port = device.Kind == "console" ? 0u : 1u; port < (controller.Ports ?? UsualPorts); port++)
                if (used.Add((index, port))) return new VirtioSerialAddress(index, 0, port);
        }
        throw DomainDefaults.Unsupported("Unable to find a free virtio-serial port: add another controller of type virtio-serial");
    }
}
