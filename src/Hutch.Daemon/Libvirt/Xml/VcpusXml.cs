using System.Collections.Generic;
using System.Linq;
using System.Xml.Linq;
using Hutch.Model.Domains;

namespace Hutch.Daemon.Libvirt.Xml;

/// <summary><c>vcpu</c> and <c>vcpus</c>.</summary>
internal static class VcpusXml
{
    /// <summary>The most vCPUs that a document may name.</summary>
    internal const int Most = 4096;

    internal static DomainVcpus Read(XmlSource domain)
    {
        XmlSource? vcpu = domain.Child("vcpu"), each = domain.Child("vcpus");
        int maximum = vcpu is null ? 1 : (int)vcpu.TextNumber(Most);
        if (maximum == 0) throw XmlSource.Bad("invalid maximum number of vCPUs '0'");
        int? current = vcpu?.Int("current", 1, Most);
        if (current > maximum) throw XmlSource.Bad($"maxvcpus must not be less than current vcpus ({maximum} < {current})");
        return new DomainVcpus
        {
            Maximum = maximum,
            Current = current,
            Placement = vcpu?.Word("placement", ["static", "auto"]),
            CpuSet = vcpu?.Attribute("cpuset"),
            Each = each is null ? [] : [.. each.All("vcpu").Select(one => Read(one, maximum))],
        };
    }

    private static VcpuState Read(XmlSource one, int maximum)
    {
        int id = one.Int("id", 0, maximum - 1) ?? throw XmlSource.Bad("Missing required attribute 'id' in element 'vcpu'");
        return new VcpuState(id, one.YesNo("enabled") ?? throw XmlSource.Bad("Missing required attribute 'enabled' in element 'vcpu'"), one.YesNo("hotpluggable"), one.Int("order", 1, maximum));
    }

    internal static IEnumerable<XElement> Write(DomainVcpus vcpus)
    {
        yield return new XElement("vcpu", XmlShape.Attribute("placement", vcpus.Placement), XmlShape.Attribute("cpuset", vcpus.CpuSet), XmlShape.Attribute("current", vcpus.Current), vcpus.Maximum);
        if (vcpus.Each.IsEmpty) yield break;
        yield return new XElement("vcpus", vcpus.Each.Select(static one => new XElement("vcpu", new XAttribute("id", one.Id), XmlShape.YesNo("enabled", one.Enabled),
            XmlShape.YesNo("hotpluggable", one.Hotpluggable), XmlShape.Attribute("order", one.Order))));
    }
}
