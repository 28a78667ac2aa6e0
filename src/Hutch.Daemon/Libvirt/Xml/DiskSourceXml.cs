using System.Linq;
using System.Xml.Linq;
using Hutch.Model.Domains;

namespace Hutch.Daemon.Libvirt.Xml;

/// <summary><c>source</c> and <c>backingStore</c> of a disk.</summary>
internal static class DiskSourceXml
{
    internal static DiskSource Read(XmlSource? source, string type)
    {
        if (source is null) return new DiskSource { Type = type };
        if (AttributeOf(type) is null && type != "volume") return new DiskSource { Type = type, Xml = source.Whole() };
        DiskSource read = new()
        {
            Type = type,
            Path = AttributeOf(type) is { } name ? NullIfEmpty(source.Attribute(name)) : null,
            Pool = type == "volume" ? source.Required("pool") : null,
            Volume = type == "volume" ? source.Required("volume") : null,
            Mode = type == "volume" ? source.Word("mode", ["host", "direct"]) : null,
            StartupPolicy = source.Word("startupPolicy", ["mandatory", "requisite", "optional"]),
        };
        uint? index = source.UInt("index");
        return read with { Index = (read.Path ?? read.Pool) is null ? null : index, Kept = source.Finish(ElementTable.DiskSource) };
    }

    private static string? AttributeOf(string type) => type switch { "file" => "file", "block" => "dev", "dir" => "dir", _ => null };

    private static string? NullIfEmpty(string? text) => string.IsNullOrEmpty(text) ? null : text;

    internal static DiskBacking? ReadBacking(XmlSource? source)
    {
        if (source is null) return null;
        string? type = source.Word("type", ["file", "block", "dir", "network", "volume", "nvme"]);
        uint? index = source.UInt("index");
        if (type is null) return new DiskBacking();
        return new DiskBacking
        {
            Format = source.Child("format")?.Required("type"),
            Source = Read(source.Child("source"), type) with { Index = index },
            Below = ReadBacking(source.Child("backingStore")),
        };
    }

    internal static XElement? Write(DiskSource source, DomainXmlOptions options)
    {
        if (source.Xml is { } whole) return XmlShape.Whole(whole);
        // An empty drive has no source, but where something is said of it.
        uint? index = options.IsLive && (source.Path ?? source.Pool) is not null ? source.Index : null;
        return XmlShape.Filled("source",
            AttributeOf(source.Type) is { } name ? XmlShape.Attribute(name, source.Path) : null,
            XmlShape.Attribute("pool", source.Pool), XmlShape.Attribute("volume", source.Volume), XmlShape.Attribute("mode", source.Mode),
            XmlShape.Attribute("startupPolicy", source.StartupPolicy), XmlShape.Attribute("index", index), source.Kept.Select(XmlShape.Whole));
    }

    internal static XElement? WriteBacking(DiskBacking? backing, DomainXmlOptions options)
    {
        if (backing is null) return null;
        if (backing.Source is not { } source) return new XElement("backingStore");
        return new XElement("backingStore", new XAttribute("type", source.Type), options.IsLive ? XmlShape.Attribute("index", source.Index) : null,
            backing.Format is { } format ? new XElement("format", new XAttribute("type", format)) : null,
            Write(source with { Index = null }, options),
            WriteBacking(backing.Below, options));
    }
}
