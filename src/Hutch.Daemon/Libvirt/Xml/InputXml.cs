using System.Xml.Linq;
using Hutch.Model.Domains;

namespace Hutch.Daemon.Libvirt.Xml;

/// <summary><c>input</c>.</summary>
internal static class InputXml
{
    internal static InputDevice Read(XmlSource source)
    {
        InputDevice input = new()
        {
            Type = source.Word("type", ["mouse", "tablet", "keyboard", "passthrough", "evdev"]) ?? throw XmlSource.Bad("Missing required attribute 'type' in element 'input'"),
            Bus = source.Word("bus", ["ps2", "usb", "xen", "parallels", "virtio", "none"]),
            Model = source.Word("model", ["virtio", "virtio-transitional", "virtio-non-transitional"]),
            Virtio = DeviceInformationXml.ReadVirtio(source.Child("driver")),
        };
        return source.Complete(input, ElementTable.Input);
    }

    internal static XElement Write(InputDevice input, DomainXmlOptions options) => new XElement("input",
        new XAttribute("type", input.Type), XmlShape.Attribute("bus", input.Bus), XmlShape.Attribute("model", input.Model),
        XmlShape.Filled("driver", DeviceInformationXml.WriteVirtio(input.Virtio))).Complete(input, options, ElementTable.Input);
}
