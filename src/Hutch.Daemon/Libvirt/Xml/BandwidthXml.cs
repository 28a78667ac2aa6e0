using System.Xml.Linq;
using Hutch.Model.Domains;

namespace Hutch.Daemon.Libvirt.Xml;

/// <summary><c>bandwidth</c>.</summary>
internal static class BandwidthXml
{
    internal static Bandwidth? Read(XmlSource? source) => source is null ? null : new Bandwidth(ReadLimit(source.Child("inbound")), ReadLimit(source.Child("outbound")));

    private static BandwidthLimit? ReadLimit(XmlSource? source)
    {
        if (source is null) return null;
        BandwidthLimit limit = new(source.Unsigned("average"), source.Unsigned("peak"), source.Unsigned("burst"), source.Unsigned("floor"));
        return limit.AverageKibPerSecond is null && limit.FloorKibPerSecond is null ? throw XmlSource.Bad($"Missing mandatory average or floor attributes in element '{source.Name}'") : limit;
    }

    internal static XElement? Write(Bandwidth? bandwidth) =>
        bandwidth is null ? null : new XElement("bandwidth", Write("inbound", bandwidth.Inbound), Write("outbound", bandwidth.Outbound));

    private static XElement? Write(string name, BandwidthLimit? limit) => limit is null ? null : new XElement(name,
        XmlShape.Attribute("average", limit.AverageKibPerSecond), XmlShape.Attribute("peak", limit.PeakKibPerSecond), XmlShape.Attribute("floor", limit.FloorKibPerSecond), XmlShape.Attribute("burst", limit.BurstKib));
}
