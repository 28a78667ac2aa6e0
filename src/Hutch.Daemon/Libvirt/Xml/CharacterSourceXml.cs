using System.Collections.Generic;
using System.Linq;
using System.Xml.Linq;
using Hutch.Model.Domains;

namespace Hutch.Daemon.Libvirt.Xml;

/// <summary>The host's end of a character device: <c>type</c>, <c>source</c>, <c>protocol</c>, <c>log</c>.</summary>
internal static class CharacterSourceXml
{
    private static readonly string[] Types = ["null", "vc", "pty", "dev", "file", "pipe", "stdio", "udp", "tcp", "unix", "spicevmc", "spiceport", "nmdm", "qemu-vdagent", "dbus"];

    /// <summary>Reads it of its device.</summary>
    internal static CharacterSource Read(XmlSource device)
    {
        string type = device.Word("type", Types) ?? throw XmlSource.Bad($"Missing required attribute 'type' in element '{device.Name}'");
        XmlSource? log = device.Child("log");
        CharacterSource source = new() { Type = type, LogFile = log?.Required("file"), LogAppend = log?.OnOff("append") };
        if (type is "udp" or "nmdm" or "qemu-vdagent" or "dbus") return source with { Xml = [.. device.All("source").Select(static one => one.Whole())] };
        if (device.Child("source") is not { } one) return source;
        XmlSource? reconnect = one.Child("reconnect");
        string? path = NullIfEmpty(one.Attribute("path")), mode = type is "unix" or "tcp" ? one.Word("mode", ["bind", "connect"]) : null;
        return source with
        {
            Path = type is "pty" or "dev" or "file" or "pipe" or "unix" ? path : null,
            // Of a socket that is made when the domain starts, a client says at most that.
            Mode = type is "tcp" || (type is "unix" && path is not null) ? mode : null,
            Append = type is "file" ? one.OnOff("append") : null,
            Host = type is "tcp" ? one.Attribute("host") : null,
            Service = type is "tcp" ? one.Attribute("service") : null,
            Tls = type is "tcp" ? one.YesNo("tls") : null,
            Channel = type is "spiceport" ? one.Attribute("channel") : null,
            Reconnect = reconnect?.YesNo("enabled"),
            ReconnectSeconds = reconnect?.UInt("timeout"),
            Protocol = type is "tcp" ? device.Child("protocol")?.Word("type", ["raw", "telnet", "telnets", "tls"]) : null,
        };
    }

    private static string? NullIfEmpty(string? text) => string.IsNullOrEmpty(text) ? null : text;

    internal static IEnumerable<XElement?> Write(CharacterSource source, DomainXmlOptions options)
    {
        foreach (string whole in source.Xml) yield return XmlShape.Whole(whole);
        string? path = source.Type == "pty" && !options.IsLive ? null : source.Path;
        // A socket without a path is one that is made when the domain starts.
        if (source.Type != "unix" || path is not null)
        {
            yield return XmlShape.Filled("source", XmlShape.Attribute("mode", source.Mode), XmlShape.Attribute("host", source.Host), XmlShape.Attribute("service", source.Service), XmlShape.YesNo("tls", source.Tls),
                XmlShape.Attribute("path", path), XmlShape.OnOff("append", source.Append), XmlShape.Attribute("channel", source.Channel),
                XmlShape.Filled("reconnect", XmlShape.YesNo("enabled", source.Reconnect), XmlShape.Attribute("timeout", source.ReconnectSeconds)));
        }
        yield return XmlShape.Filled("protocol", XmlShape.Attribute("type", source.Protocol));
        yield return XmlShape.Filled("log", XmlShape.Attribute("file", source.LogFile), XmlShape.OnOff("append", source.LogAppend));
    }
}
