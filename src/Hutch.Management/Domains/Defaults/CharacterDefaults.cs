using System.Collections.Generic;
using System.Linq;
using Hutch.Model.Domains;

namespace Hutch.Management.Domains.Defaults;

/// <summary>Ports of character devices, and the pair of the first serial port and the first console, which are one device.</summary>
internal static class CharacterDefaults
{
    internal static void Fill(List<DomainDevice> devices)
    {
        int console = devices.FindIndex(static device => device is CharacterDevice { Kind: "console" });
        int serial = devices.FindIndex(static device => device is CharacterDevice { Kind: "serial" });
        if (console >= 0 && devices[console] is CharacterDevice { TargetType: null or "serial" } first)
        {
            if (serial < 0) devices.Add(first with { Kind = "serial", TargetType = null, Port = 0 });
            else first = first with { Source = ((CharacterDevice)devices[serial]).Source };
            devices[console] = first with { TargetType = "serial", Port = 0, Alias = null, Address = null };
        }
        else if (console < 0 && serial >= 0)
        {
            CharacterDevice port = (CharacterDevice)devices[serial];
            devices.Add(new CharacterDevice { Kind = "console", Source = port.Source, TargetType = "serial", Port = 0 });
        }
        foreach (string kind in (string[])["serial", "parallel", "console"]) Number(devices, kind);
        for (int i = 0; i < devices.Count; i++)
            if (devices[i] is CharacterDevice { Kind: "serial" } port) devices[i] = Fill(port);
    }

    private static void Number(List<DomainDevice> devices, string kind)
    {
        HashSet<int> used = [.. devices.OfType<CharacterDevice>().Where(device => device.Kind == kind).Select(static device => device.Port ?? -1)];
        int next = 0;
        for (int i = 0; i < devices.Count; i++)
        {
            if (devices[i] is not CharacterDevice { Port: null } device || device.Kind != kind) continue;
            while (used.Contains(next)) next++;
            devices[i] = device with { Port = next++ };
        }
    }

    private static CharacterDevice Fill(CharacterDevice serial)
    {
        string type = serial.TargetType ?? serial.Address switch { UsbAddress => "usb-serial", PciAddress => "pci-serial", _ => "isa-serial" };
        return serial with { TargetType = type, Model = serial.Model ?? type };
    }
}
