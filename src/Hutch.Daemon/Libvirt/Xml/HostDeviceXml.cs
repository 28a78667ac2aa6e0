using System.Xml.Linq;
using Hutch.Model.Domains;

namespace Hutch.Daemon.Libvirt.Xml;

/// <summary><c>hostdev</c>, <c>redirdev</c>, <c>hub</c>.</summary>
internal static class HostDeviceXml
{
    internal static HostDevice Read(XmlSource source)
    {
        HostDevice device = new()
        {
            Mode = source.Word("mode", ["subsystem", "capabilities"]) ?? "subsystem",
            Type = source.Word("type", ["usb", "pci", "scsi", "scsi_host", "mdev", "storage", "misc", "net"]) ?? throw XmlSource.Bad("Missing required attribute 'type' in element 'hostdev'"),
            Managed = source.YesNo("managed"),
            Attributes = source.OtherAttributes(),
            SourceXml = source.Child("source")?.Whole(),
        };
        return source.Complete(device, ElementTable.HostDevice);
    }

    internal static XElement Write(HostDevice device, DomainXmlOptions options) => new XElement("hostdev",
        new XAttribute("mode", device.Mode), new XAttribute("type", device.Type), XmlShape.YesNo("managed", device.Managed), XmlShape.Attributes(device.Attributes),
        XmlShape.Whole(device.SourceXml)).Complete(device, options, ElementTable.HostDevice);

    internal static RedirectedDevice ReadRedirected(XmlSource source) =>
        source.Complete(new RedirectedDevice { Bus = source.Word("bus", ["usb"]) ?? "usb", Source = CharacterSourceXml.Read(source) }, ElementTable.Redirected);

    internal static XElement Write(RedirectedDevice device, DomainXmlOptions options) => new XElement("redirdev",
        new XAttribute("bus", device.Bus), new XAttribute("type", device.Source.Type), CharacterSourceXml.Write(device.Source, options)).Complete(device, options, ElementTable.Redirected);

    internal static HubDevice ReadHub(XmlSource source) =>
        source.Complete(new HubDevice { Type = source.Word("type", ["usb"]) ?? throw XmlSource.Bad("Missing required attribute 'type' in element 'hub'") }, ElementTable.Plain);

    internal static XElement Write(HubDevice hub, DomainXmlOptions options) => new XElement("hub", new XAttribute("type", hub.Type)).Complete(hub, options, ElementTable.Plain);
}
