using System.Xml.Linq;
using Hutch.Model.Domains;

namespace Hutch.Daemon.Libvirt.Xml;

/// <summary><c>filesystem</c>.</summary>
internal static class FilesystemXml
{
    internal static FilesystemDevice Read(XmlSource source)
    {
        XmlSource? driver = source.Child("driver"), place = source.Child("source");
        string? type = source.Word("type", ["mount", "template", "file", "block", "ram", "bind", "volume"]);
        string? directory = null, socket = null, whole = null;
        if (type is null or "mount")
        {
            directory = place?.Attribute("dir");
            socket = place?.Attribute("socket");
        }
        else
        {
            whole = place?.Whole();
        }
        FilesystemDevice filesystem = new()
        {
            Type = type,
            AccessMode = source.Word("accessmode", ["passthrough", "mapped", "squash"]),
            Attributes = source.OtherAttributes(),
            DriverType = driver?.Word("type", ["path", "handle", "loop", "nbd", "ploop", "virtiofs"]),
            QueueSize = driver?.UInt("queue", 32768),
            DriverAttributes = driver?.OtherAttributes() ?? [],
            SourceDirectory = directory,
            SourceSocket = socket,
            SourceXml = whole,
            Target = source.Child("target")?.Required("dir") ?? throw XmlSource.Bad("missing target information for the filesystem: the element <target>"),
            ReadOnly = source.Has("readonly"),
        };
        return source.Complete(filesystem, ElementTable.Filesystem);
    }

    internal static XElement Write(FilesystemDevice filesystem, DomainXmlOptions options) => new XElement("filesystem",
        XmlShape.Attribute("type", filesystem.Type), XmlShape.Attribute("accessmode", filesystem.AccessMode), XmlShape.Attributes(filesystem.Attributes),
        XmlShape.Filled("driver", XmlShape.Attribute("type", filesystem.DriverType), XmlShape.Attribute("queue", filesystem.QueueSize), XmlShape.Attributes(filesystem.DriverAttributes)),
        filesystem.SourceXml is { } whole ? XmlShape.Whole(whole) : XmlShape.Filled("source", XmlShape.Attribute("dir", filesystem.SourceDirectory), XmlShape.Attribute("socket", filesystem.SourceSocket)),
        new XElement("target", new XAttribute("dir", filesystem.Target)),
        XmlShape.Flag("readonly", filesystem.ReadOnly)).Complete(filesystem, options, ElementTable.Filesystem);
}
