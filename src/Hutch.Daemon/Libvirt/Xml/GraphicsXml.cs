using System.Linq;
using System.Xml.Linq;
using Hutch.Model.Domains;

namespace Hutch.Daemon.Libvirt.Xml;

/// <summary><c>graphics</c>: VNC is modelled, what other types say is kept.</summary>
internal static class GraphicsXml
{
    internal static GraphicsDevice Read(XmlSource source)
    {
        string type = source.Word("type", ["sdl", "vnc", "rdp", "desktop", "spice", "egl-headless", "dbus"]) ?? throw XmlSource.Bad("missing graphics device type: the attribute 'type' of <graphics>");
        GraphicsDevice graphics = new()
        {
            Type = type,
            Port = source.Int("port", -1, 65535),
            AutoPort = source.YesNo("autoport"),
            WebSocket = source.Int("websocket", -1, 65535),
            Socket = source.Attribute("socket"),
            Listen = source.Attribute("listen"),
            Keymap = source.Attribute("keymap"),
            SharePolicy = source.Word("sharePolicy", ["allow-exclusive", "force-shared", "ignore"]),
            Password = source.Attribute("passwd"),
            PasswordValidTo = source.Attribute("passwdValidTo"),
            Connected = source.Word("connected", ["fail", "disconnect", "keep"]),
            PowerControl = source.YesNo("powerControl"),
            Listens = [.. source.All("listen").Select(ReadListen)],
            Attributes = type == "vnc" ? [] : source.OtherAttributes(),
        };
        return source.Complete(graphics, ElementTable.Graphics);
    }

    private static GraphicsListen ReadListen(XmlSource source)
    {
        string type = source.Word("type", ["none", "address", "network", "socket"]) ?? throw XmlSource.Bad("Missing required attribute 'type' in element 'listen'");
        return new GraphicsListen(type, source.Attribute("address"), source.Attribute("network"), source.Attribute("socket"));
    }

    internal static XElement Write(GraphicsDevice graphics, DomainXmlOptions options)
    {
        int? port = !options.IsLive && graphics.AutoPort == true ? -1 : graphics.Port;
        bool isHostDefault = !graphics.Listens.IsEmpty && graphics.Listens[0].IsHostDefault;
        return new XElement("graphics", new XAttribute("type", graphics.Type),
            XmlShape.Attribute("socket", graphics.Socket), XmlShape.Attribute("port", port), XmlShape.YesNo("autoport", graphics.AutoPort), XmlShape.Attribute("websocket", graphics.WebSocket),
            options.IsLive || !isHostDefault ? XmlShape.Attribute("listen", graphics.Listen) : null, XmlShape.Attribute("keymap", graphics.Keymap), XmlShape.Attribute("sharePolicy", graphics.SharePolicy),
            XmlShape.YesNo("powerControl", graphics.PowerControl), options.IsSecure ? XmlShape.Attribute("passwd", graphics.Password) : null, XmlShape.Attribute("passwdValidTo", graphics.PasswordValidTo),
            XmlShape.Attribute("connected", graphics.Connected), XmlShape.Attributes(graphics.Attributes),
            graphics.Listens.Select(listen => WriteListen(listen, options))).Complete(graphics, options, ElementTable.Graphics);
    }

    private static XElement WriteListen(GraphicsListen listen, DomainXmlOptions options) => new("listen", new XAttribute("type", listen.Type),
        options.IsLive || !listen.IsHostDefault ? XmlShape.Attribute("address", listen.Address) : null, XmlShape.Attribute("network", listen.Network), XmlShape.Attribute("socket", listen.Socket));
}
