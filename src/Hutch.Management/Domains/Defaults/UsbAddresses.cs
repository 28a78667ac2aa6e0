using System.Collections.Generic;
using System.Linq;
using Hutch.Model.Domains;

namespace Hutch.Management.Domains.Defaults;

/// <summary>Ports of USB devices: the first free one of the first controller that has one.</summary>
internal static class UsbAddresses
{
    internal static void Assign(List<DomainDevice> devices)
    {
        HashSet<(uint Bus, string Port)> used = [];
        foreach (DomainDevice device in devices)
        {
            if (device.Address is not UsbAddress { Port: { } port } address || device is HostDevice) continue;
            if (!used.Add((address.Bus, port))) throw DomainDefaults.Bad($"Duplicate USB address bus {address.Bus} port {port}");
        }
        for (int i = 0; i < devices.Count; i++)
            if (IsUsb(devices[i]) && devices[i].Address is null or UsbAddress { Port: null }) devices[i] = devices[i] with { Address = Next(devices, used, devices[i]) };
    }

    private static bool IsUsb(DomainDevice device) => device switch
    {
        InputDevice { Bus: "usb" } or DiskDevice { Bus: "usb" } or HubDevice or RedirectedDevice or SoundDevice { Model: "usb" } or CharacterDevice { Kind: "serial", TargetType: "usb-serial" } or HostDevice { Type: "usb" } => true,
        _ => false,
    };

    private static UsbAddress Next(List<DomainDevice> devices, HashSet<(uint Bus, string Port)> used, DomainDevice device)
    {
        uint? wanted = (device.Address as UsbAddress)?.Bus;
        ControllerDevice[] controllers = [.. devices.OfType<ControllerDevice>().Where(static controller => controller is { Type: "usb", Model: not "none", MasterStartPort: null })];
        if (controllers.Length == 0) throw DomainDefaults.Unsupported("USB is disabled for this domain, but USB devices are present in the domain XML");
        foreach (ControllerDevice controller in controllers.Where(controller => wanted is null || controller.Index == wanted))
        {
            uint bus = (uint)(controller.Index ?? 0);
            for (uint port = 1; port <= PortsOf(controller); port++)
                if (used.Add((bus, $"{port}"))) return new UsbAddress(bus, $"{port}");
        }
        throw DomainDefaults.Unsupported("No free USB ports: add another controller of type usb");
    }

    private static uint PortsOf(ControllerDevice controller) => controller.Ports ?? controller.Model switch
    {
        "qemu-xhci" or "nec-xhci" => 4,
        "ich9-ehci1" => 6,
        "pci-ohci" => 3,
        _ => 2,
    };
}
