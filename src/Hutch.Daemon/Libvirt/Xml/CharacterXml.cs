using System;
using System.Xml.Linq;
using Hutch.Model.Domains;

namespace Hutch.Daemon.Libvirt.Xml;

/// <summary><c>serial</c>, <c>parallel</c>, <c>console</c>, <c>channel</c>.</summary>
internal static class CharacterXml
{
    internal static CharacterDevice Read(XmlSource source)
    {
        string kind = source.Name;
        if (kind == "console") _ = source.Attribute("tty");
        XmlSource? target = source.Child("target");
        CharacterDevice device = new()
        {
            Kind = kind,
            Source = CharacterSourceXml.Read(source),
            TargetType = target?.Word("type", TargetTypes(kind)),
            Port = target?.Int("port", 0, 65535),
            Model = target?.Child("model")?.Required("name"),
            ChannelName = kind == "channel" ? target?.Attribute("name") : null,
            ChannelState = kind == "channel" ? target?.Word("state", ["connected", "disconnected"]) : null,
            ForwardAddress = kind == "channel" ? target?.Attribute("address") : null,
        };
        if (kind == "channel" && device.TargetType is null) throw XmlSource.Bad("target type must be specified for channel device");
        return source.Complete(device, ElementTable.Character);
    }

    private static string[] TargetTypes(string kind) => kind switch
    {
        "serial" => ["isa-serial", "usb-serial", "pci-serial", "system-serial", "spapr-vio-serial", "sclp-serial", "isa-debug"],
        "console" => ["serial", "xen", "uml", "virtio", "lxc", "openvz", "sclp", "sclplm"],
        "channel" => ["guestfwd", "virtio", "xen", "libvirt"],
        _ => [],
    };

    internal static XElement Write(CharacterDevice device, DomainXmlOptions options)
    {
        CharacterSource source = device.Source;
        if (!options.IsLive && IsGenerated(device)) source = source with { Path = null };
        string? terminal = options.IsLive && device.Kind == "console" && source.Type == "pty" ? source.Path : null;
        return new XElement(device.Kind, new XAttribute("type", source.Type), XmlShape.Attribute("tty", terminal),
            CharacterSourceXml.Write(source, options),
            XmlShape.Filled("target", XmlShape.Attribute("type", device.TargetType), XmlShape.Attribute("address", device.ForwardAddress), XmlShape.Attribute("port", device.Port),
                XmlShape.Attribute("name", device.ChannelName), options.IsLive ? XmlShape.Attribute("state", device.ChannelState) : null,
                device.Model is { } model ? new XElement("model", new XAttribute("name", model)) : null)).Complete(device, options, ElementTable.Character);
    }

    /// <summary>Whether a channel's socket is one that is made when the domain starts: no definition has it.</summary>
    private static bool IsGenerated(CharacterDevice device) => device is { Kind: "channel", Source: { Type: "unix", Path: { } path } }
        && path.Contains("/channel/target/domain-", StringComparison.Ordinal) && path.EndsWith($"/{device.ChannelName}", StringComparison.Ordinal);
}
