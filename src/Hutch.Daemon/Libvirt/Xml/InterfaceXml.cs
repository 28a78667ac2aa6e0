using System;
using System.Linq;
using System.Xml.Linq;
using Hutch.Model.Domains;

namespace Hutch.Daemon.Libvirt.Xml;

/// <summary><c>interface</c>.</summary>
internal static class InterfaceXml
{
    private static readonly string[] Types = ["network", "bridge", "user", "ethernet", "direct", "internal", "mcast", "server", "client", "udp", "vhostuser", "hostdev", "vdpa", "null"];

    internal static InterfaceDevice Read(XmlSource source)
    {
        string type = source.Word("type", Types) ?? "network";
        XmlSource? mac = source.Child("mac"), target = source.Child("target");
        InterfaceDevice card = new()
        {
            Type = type,
            Mac = mac is null ? null : MacOf(mac.Required("address")),
            MacType = mac?.Word("type", ["generated", "static"]),
            Source = ReadSource(source.Child("source"), type),
            Target = target?.Attribute("dev"),
            TargetManaged = target?.YesNo("managed"),
            Model = source.Child("model")?.Attribute("type"),
            Driver = InterfaceDriverXml.Read(source.Child("driver")),
            Backend = source.Child("backend")?.Whole(),
            Filter = ReadFilter(source.Child("filterref")),
            Link = source.Child("link")?.Word("state", ["up", "down"]),
            Mtu = source.Child("mtu")?.UInt("size", 65535),
            Bandwidth = BandwidthXml.Read(source.Child("bandwidth")),
            Isolated = source.Child("port")?.YesNo("isolated"),
        };
        return source.Complete(card, ElementTable.Interface);
    }

    private static string MacOf(string text)
    {
        string[] parts = text.Split(':');
        bool isGood = parts.Length == 6;
        foreach (string part in parts) isGood &= part.Length == 2 && char.IsAsciiHexDigit(part[0]) && char.IsAsciiHexDigit(part[1]);
        if (!isGood) throw XmlSource.Bad($"unable to parse mac address '{text}'");
        if ((Convert.ToInt32(parts[0], 16) & 1) != 0) throw XmlSource.Bad($"expected unicast mac address, found multicast '{text}'");
        return text.ToLowerInvariant();
    }

    private static InterfaceSource ReadSource(XmlSource? source, string type)
    {
        switch (type)
        {
            case "network":
                string network = source?.Attribute("network") ?? throw XmlSource.Bad("No <source> 'network' attribute specified with <interface type='network'/>");
                return new InterfaceSource { Network = network, PortGroup = source.Attribute("portgroup"), PortId = source.Attribute("portid"), Bridge = source.Attribute("bridge"), Device = source.Attribute("dev"), Mode = source.Attribute("mode") };
            case "bridge":
                return new InterfaceSource { Bridge = source?.Attribute("bridge") ?? throw XmlSource.Bad("No <source> 'bridge' attribute specified with <interface type='bridge'/>") };
            case "direct":
                return new InterfaceSource
                {
                    Device = source?.Attribute("dev") ?? throw XmlSource.Bad("No <source> 'dev' attribute specified with <interface type='direct'/>"),
                    Mode = source.Word("mode", ["vepa", "private", "bridge", "passthrough"]),
                };
            case "user":
                return new InterfaceSource { Device = source?.Attribute("dev") };
            default:
                return new InterfaceSource { Xml = source?.Whole() };
        }
    }

    private static InterfaceFilter? ReadFilter(XmlSource? source) =>
        source is null ? null : new InterfaceFilter(source.Required("filter"), [.. source.All("parameter").Select(static parameter => new FilterParameter(parameter.Required("name"), parameter.Required("value")))]);

    internal static XElement Write(InterfaceDevice card, DomainXmlOptions options) => new XElement("interface", new XAttribute("type", card.Type),
        card.Mac is { } mac ? new XElement("mac", new XAttribute("address", mac), XmlShape.Attribute("type", card.MacType)) : null,
        WriteSource(card, options),
        BandwidthXml.Write(card.Bandwidth),
        XmlShape.Filled("target", XmlShape.Attribute("dev", options.IsLive || !IsGenerated(card.Target) ? card.Target : null), XmlShape.YesNo("managed", card.TargetManaged)),
        XmlShape.Filled("model", XmlShape.Attribute("type", card.Model)),
        InterfaceDriverXml.Write(card.Driver),
        XmlShape.Whole(card.Backend),
        card.Filter is { } filter
            ? new XElement("filterref", new XAttribute("filter", filter.Filter), filter.Parameters.Select(static parameter => new XElement("parameter", new XAttribute("name", parameter.Name), new XAttribute("value", parameter.Value))))
            : null,
        XmlShape.Filled("link", XmlShape.Attribute("state", card.Link)),
        XmlShape.Filled("mtu", XmlShape.Attribute("size", card.Mtu)),
        XmlShape.Filled("port", XmlShape.YesNo("isolated", card.Isolated))).Complete(card, options, ElementTable.Interface);

    private static XElement? WriteSource(InterfaceDevice card, DomainXmlOptions options)
    {
        InterfaceSource source = card.Source;
        if (source.Xml is { } whole) return XmlShape.Whole(whole);
        // The port of a network and what it is connected to are there while the domain runs.
        bool hasAll = options.IsLive || card.Type != "network";
        return XmlShape.Filled("source", XmlShape.Attribute("network", source.Network), XmlShape.Attribute("portgroup", source.PortGroup), hasAll ? XmlShape.Attribute("portid", source.PortId) : null,
            hasAll ? XmlShape.Attribute("bridge", source.Bridge) : null, hasAll ? XmlShape.Attribute("dev", source.Device) : null, hasAll ? XmlShape.Attribute("mode", source.Mode) : null);
    }

    /// <summary>Names that are made when a domain starts, and that no definition has.</summary>
    private static bool IsGenerated(string? name) =>
        name is not null && (name.StartsWith("vnet", StringComparison.Ordinal) || name.StartsWith("macvtap", StringComparison.Ordinal) || name.StartsWith("macvlan", StringComparison.Ordinal));
}
