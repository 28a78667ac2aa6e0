using System.Collections.Generic;
using System.Xml.Linq;
using Hutch.Model.Domains;

namespace Hutch.Daemon.Libvirt.Xml;

/// <summary><c>controller</c>.</summary>
internal static class ControllerXml
{
    private static readonly Dictionary<string, string[]> Models = new()
    {
        ["pci"] = ["pci-root", "pcie-root", "pci-bridge", "dmi-to-pci-bridge", "pcie-root-port", "pcie-switch-upstream-port", "pcie-switch-downstream-port", "pci-expander-bus", "pcie-expander-bus", "pcie-to-pci-bridge"],
        ["usb"] = ["piix3-uhci", "piix4-uhci", "ehci", "ich9-ehci1", "ich9-uhci1", "ich9-uhci2", "ich9-uhci3", "vt82c686b-uhci", "pci-ohci", "nec-xhci", "qusb1", "qusb2", "qemu-xhci", "none"],
        ["scsi"] = ["auto", "buslogic", "lsilogic", "lsisas1068", "vmpvscsi", "ibmvscsi", "virtio-scsi", "lsisas1078", "virtio-transitional", "virtio-non-transitional", "ncr53c90", "dc390", "am53c974"],
        ["virtio-serial"] = ["virtio", "virtio-transitional", "virtio-non-transitional"],
        ["ide"] = ["piix3", "piix4", "ich6"],
        ["sata"] = [],
        ["fdc"] = [],
        ["ccid"] = [],
    };

    internal static ControllerDevice Read(XmlSource source)
    {
        string type = source.Word("type", ["pci", "usb", "ide", "sata", "scsi", "virtio-serial", "fdc", "ccid"]) ?? throw XmlSource.Bad("Missing required attribute 'type' in element 'controller'");
        ControllerDevice controller = new()
        {
            Type = type,
            Index = source.Int("index", -1, 65535) is { } index and >= 0 ? index : null,
            Model = source.Word("model", Models[type]),
            Ports = type is "usb" or "virtio-serial" ? source.UInt("ports", 255) : null,
            Vectors = type == "virtio-serial" ? source.Int("vectors", -1) : null,
            MasterStartPort = source.Child("master")?.UInt("startport", 255),
            Pci = type == "pci" ? ReadPci(source) : null,
            Driver = ReadDriver(source.Child("driver")),
        };
        return source.Complete(controller, ElementTable.Controller);
    }

    private static PciControllerOptions? ReadPci(XmlSource source)
    {
        XmlSource? target = source.Child("target"), hole = source.Child("pcihole64");
        PciControllerOptions options = new()
        {
            ModelName = source.Child("model")?.Attribute("name"),
            ChassisNumber = target?.UInt("chassisNr", 255),
            Chassis = target?.UInt("chassis", 255),
            Port = target?.UInt("port", 255),
            BusNumber = target?.UInt("busNr", 254),
            Hotplug = target?.OnOff("hotplug"),
            Node = target?.Child("node") is { } node ? (int)node.TextNumber(1023) : null,
            Hole64Kib = hole is null ? null : MemoryXml.Kib(hole),
        };
        return options == new PciControllerOptions() ? null : options;
    }

    private static ControllerDriver? ReadDriver(XmlSource? source) => source is null ? null : new ControllerDriver
    {
        Queues = source.UInt("queues"),
        CommandsPerLun = source.UInt("cmd_per_lun"),
        MaxSectors = source.UInt("max_sectors"),
        IoEventFd = source.OnOff("ioeventfd"),
        IoThread = source.UInt("iothread"),
        Virtio = DeviceInformationXml.ReadVirtio(source),
    };

    internal static XElement Write(ControllerDevice controller, DomainXmlOptions options)
    {
        PciControllerOptions? pci = controller.Pci;
        return new XElement("controller",
            new XAttribute("type", controller.Type), XmlShape.Attribute("index", controller.Index), XmlShape.Attribute("model", controller.Model), XmlShape.Attribute("ports", controller.Ports), XmlShape.Attribute("vectors", controller.Vectors),
            XmlShape.Filled("model", XmlShape.Attribute("name", pci?.ModelName)),
            XmlShape.Filled("target", XmlShape.Attribute("chassisNr", pci?.ChassisNumber), XmlShape.Attribute("chassis", pci?.Chassis), pci?.Port is { } port ? new XAttribute("port", $"0x{port:x}") : null,
                XmlShape.Attribute("busNr", pci?.BusNumber), XmlShape.OnOff("hotplug", pci?.Hotplug), XmlShape.Text("node", pci?.Node)),
            WriteDriver(controller.Driver),
            XmlShape.Filled("master", XmlShape.Attribute("startport", controller.MasterStartPort)),
            pci?.Hole64Kib is { } hole ? XmlShape.Kib("pcihole64", hole) : null).Complete(controller, options, ElementTable.Controller);
    }

    private static XElement? WriteDriver(ControllerDriver? driver) => driver is null ? null : XmlShape.Filled("driver",
        XmlShape.Attribute("queues", driver.Queues), XmlShape.Attribute("cmd_per_lun", driver.CommandsPerLun), XmlShape.Attribute("max_sectors", driver.MaxSectors), XmlShape.OnOff("ioeventfd", driver.IoEventFd),
        XmlShape.Attribute("iothread", driver.IoThread), DeviceInformationXml.WriteVirtio(driver.Virtio));
}
