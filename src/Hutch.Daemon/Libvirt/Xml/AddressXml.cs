using System.Globalization;
using System.Xml.Linq;
using Hutch.Model.Domains;

namespace Hutch.Daemon.Libvirt.Xml;

/// <summary><c>address</c>.</summary>
internal static class AddressXml
{
    internal static DeviceAddress Read(XmlSource source)
    {
        string type = source.Required("type");
        DeviceAddress address = type switch
        {
            "pci" => ReadPci(source),
            "drive" => new DriveAddress(source.UInt("controller") ?? 0, source.UInt("bus") ?? 0, source.UInt("target") ?? 0, source.UInt("unit") ?? 0),
            "usb" => new UsbAddress(source.UInt("bus") ?? 0, ReadUsbPort(source)),
            "virtio-serial" => new VirtioSerialAddress(source.UInt("controller") ?? 0, source.UInt("bus") ?? 0, source.UInt("port")),
            "ccid" => new CcidAddress(source.UInt("controller") ?? 0, source.UInt("slot") ?? 0),
            "isa" => new IsaAddress(source.UInt("iobase", 0xFFFF), source.UInt("irq", 255)),
            "dimm" => new DimmAddress(source.UInt("slot"), source.Unsigned("base")),
            "ccw" or "spapr-vio" or "virtio-s390" or "virtio-mmio" or "unassigned" or "mdev" => new OtherAddress(type, source.OtherAttributes()),
            _ => throw XmlSource.Bad($"Invalid value for attribute 'type' in element 'address': '{type}'. Expected one of pci, drive, usb, virtio-serial, ccid, isa, dimm, virtio-mmio, ccw, spapr-vio, unassigned"),
        };
        source.Finish();
        return address;
    }

    private static DeviceAddress ReadPci(XmlSource source)
    {
        int? domain = source.Int("domain", 0, 0xFFFF), bus = source.Int("bus", 0, 0xFF), slot = source.Int("slot", 0, 0x1F), function = source.Int("function", 0, 7);
        bool? multifunction = source.OnOff("multifunction");
        // Only the type is said: any address on PCI.
        if ((domain, bus, slot, function, multifunction) is (null, null, null, null, null)) return new OtherAddress("pci", []);
        return new PciAddress(domain ?? 0, bus ?? 0, slot ?? 0, function ?? 0) { Multifunction = multifunction };
    }

    private static string? ReadUsbPort(XmlSource source)
    {
        if (source.Attribute("port") is not { } port) return null;
        string[] parts = port.Split('.');
        bool isGood = parts.Length is >= 1 and <= 4;
        foreach (string part in parts) isGood &= byte.TryParse(part, NumberStyles.None, CultureInfo.InvariantCulture, out byte number) && number != 0;
        return isGood ? port : throw XmlSource.Bad($"Cannot parse <address> 'port' attribute: '{port}'. Expected up to four numbers from 1 to 255 with dots between");
    }

    internal static XElement Write(DeviceAddress address) => address switch
    {
        PciAddress pci => new XElement("address", new XAttribute("type", "pci"), new XAttribute("domain", $"0x{pci.Domain:x4}"), new XAttribute("bus", $"0x{pci.Bus:x2}"), new XAttribute("slot", $"0x{pci.Slot:x2}"),
            new XAttribute("function", $"0x{pci.Function:x}"), XmlShape.OnOff("multifunction", pci.Multifunction)),
        DriveAddress drive => new XElement("address", new XAttribute("type", "drive"), new XAttribute("controller", drive.Controller), new XAttribute("bus", drive.Bus), new XAttribute("target", drive.Target), new XAttribute("unit", drive.Unit)),
        UsbAddress usb => new XElement("address", new XAttribute("type", "usb"), new XAttribute("bus", usb.Bus), XmlShape.Attribute("port", usb.Port)),
        VirtioSerialAddress serial => new XElement("address", new XAttribute("type", "virtio-serial"), new XAttribute("controller", serial.Controller), new XAttribute("bus", serial.Bus), XmlShape.Attribute("port", serial.Port)),
        CcidAddress ccid => new XElement("address", new XAttribute("type", "ccid"), new XAttribute("controller", ccid.Controller), new XAttribute("slot", ccid.Slot)),
        IsaAddress isa => new XElement("address", new XAttribute("type", "isa"), isa.IoBase is { } port ? new XAttribute("iobase", $"0x{port:x}") : null, isa.Irq is { } irq ? new XAttribute("irq", $"0x{irq:x}") : null),
        DimmAddress dimm => new XElement("address", new XAttribute("type", "dimm"), XmlShape.Attribute("slot", dimm.Slot), dimm.Base is { } start ? new XAttribute("base", $"0x{start:x}") : null),
        OtherAddress other => new XElement("address", new XAttribute("type", other.Type), XmlShape.Attributes(other.Attributes)),
        _ => new XElement("address"),
    };
}
