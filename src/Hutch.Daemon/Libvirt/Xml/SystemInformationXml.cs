using System.Linq;
using System.Xml.Linq;
using Hutch.Model.Domains;

namespace Hutch.Daemon.Libvirt.Xml;

/// <summary><c>sysinfo</c>.</summary>
internal static class SystemInformationXml
{
    internal static SystemInformation Read(XmlSource source)
    {
        string type = source.Word("type", ["smbios", "fwcfg"]) ?? throw XmlSource.Bad("Missing required attribute 'type' in element 'sysinfo'");
        SystemInformation information = type == "fwcfg"
            ? new SystemInformation { Type = type, Entries = [.. source.All("entry").Select(ReadEntry)] }
            : new SystemInformation { Type = type, Tables = [.. source.Children().Select(ReadTable)] };
        source.Finish();
        return information;
    }

    private static SystemTable ReadTable(XmlSource table)
    {
        if (table.Name is not ("bios" or "system" or "baseBoard" or "chassis" or "oemStrings")) throw XmlSource.Unsupported($"the element <{table.Name}> in <sysinfo> is not supported");
        return new SystemTable(table.Name, [.. table.All("entry").Select(ReadEntry)]);
    }

    private static SystemEntry ReadEntry(XmlSource entry) => new(entry.Attribute("name"), entry.Text, entry.Attribute("file"));

    internal static XElement Write(SystemInformation information) => new("sysinfo", new XAttribute("type", information.Type),
        information.Tables.Select(static table => new XElement(table.Name, table.Entries.Select(WriteEntry))),
        information.Entries.Select(WriteEntry));

    private static XElement WriteEntry(SystemEntry entry) => new("entry", XmlShape.Attribute("name", entry.Name), XmlShape.Attribute("file", entry.File), entry.Value.Length == 0 ? null : entry.Value);
}
