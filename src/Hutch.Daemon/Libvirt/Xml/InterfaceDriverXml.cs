using System.Xml.Linq;
using Hutch.Model.Domains;

namespace Hutch.Daemon.Libvirt.Xml;

/// <summary><c>driver</c> of a network card.</summary>
internal static class InterfaceDriverXml
{
    internal static InterfaceDriver? Read(XmlSource? source)
    {
        if (source is null) return null;
        InterfaceDriver driver = new()
        {
            Name = source.Word("name", ["qemu", "vhost"]),
            TransmitMode = source.Word("txmode", ["iothread", "timer"]),
            IoEventFd = source.OnOff("ioeventfd"),
            EventIndex = source.OnOff("event_idx"),
            Queues = source.UInt("queues", 256),
            ReceiveQueueSize = source.UInt("rx_queue_size", 32768),
            TransmitQueueSize = source.UInt("tx_queue_size", 32768),
            Virtio = DeviceInformationXml.ReadVirtio(source),
        };
        return driver with { Kept = source.Finish(ElementTable.InterfaceDriver) };
    }

    internal static XElement? Write(InterfaceDriver? driver) => driver is null ? null : ElementTable.InterfaceDriver.Arrange(new XElement("driver",
        XmlShape.Attribute("name", driver.Name), XmlShape.Attribute("txmode", driver.TransmitMode), XmlShape.OnOff("ioeventfd", driver.IoEventFd), XmlShape.OnOff("event_idx", driver.EventIndex),
        XmlShape.Attribute("queues", driver.Queues), XmlShape.Attribute("rx_queue_size", driver.ReceiveQueueSize), XmlShape.Attribute("tx_queue_size", driver.TransmitQueueSize),
        DeviceInformationXml.WriteVirtio(driver.Virtio)), driver.Kept);
}
