using System.Linq;
using System.Xml.Linq;
using Hutch.Model.Domains;

namespace Hutch.Daemon.Libvirt.Xml;

/// <summary><c>cpu</c> with its NUMA nodes.</summary>
internal static class CpuXml
{
    internal static DomainCpu? Read(XmlSource? source)
    {
        if (source is null) return null;
        XmlSource? model = source.Child("model");
        DomainCpu cpu = new()
        {
            Mode = source.Word("mode", ["custom", "host-model", "host-passthrough", "maximum"]),
            Match = source.Word("match", ["minimum", "exact", "strict"]),
            Check = source.Word("check", ["none", "partial", "full"]),
            Migratable = source.OnOff("migratable"),
            Model = model is null || model.Text.Length == 0 ? null : model.Text,
            Fallback = model?.Word("fallback", ["allow", "forbid"]),
            VendorId = model?.Attribute("vendor_id"),
            Vendor = source.ChildText("vendor"),
            Topology = ReadTopology(source.Child("topology")),
            Features = [.. source.All("feature").Select(static feature => new CpuFeaturePolicy(feature.Word("policy", ["force", "require", "optional", "disable", "forbid"]), feature.Required("name")))],
            NumaCells = source.Child("numa") is { } numa ? [.. numa.All("cell").Select(ReadCell)] : [],
        };
        if (cpu.VendorId is { Length: not 12 }) throw XmlSource.Bad("vendor_id must be exactly 12 characters long");
        return cpu with { Kept = source.Finish(ElementTable.Cpu) };
    }

    private static DomainTopology? ReadTopology(XmlSource? topology) => topology is null ? null : new DomainTopology(Part(topology, "sockets"), topology.Int("dies", 1, VcpusXml.Most) ?? 1, Part(topology, "cores"), Part(topology, "threads"));

    private static int Part(XmlSource topology, string name) =>
        topology.Int(name, 1, VcpusXml.Most) ?? throw XmlSource.Bad($"Missing required attribute '{name}' in element 'topology'");

    private static NumaCell ReadCell(XmlSource cell)
    {
        System.UInt128 bytes = (System.UInt128)(cell.Unsigned("memory") ?? throw XmlSource.Bad("Missing required attribute 'memory' in element 'cell'")) * MemoryXml.Scale(cell.Attribute("unit") ?? "KiB", "cell");
        if (bytes / 1024 > MemoryXml.MostKib) throw XmlSource.Bad($"memory of <cell> is too large: at most {MemoryXml.MostKib} KiB");
        return new NumaCell
        {
            Id = cell.Int("id", 0, 1023),
            Cpus = cell.Attribute("cpus"),
            MemoryKib = (ulong)(bytes / 1024),
            MemoryAccess = cell.Word("memAccess", ["shared", "private"]),
            Discard = cell.YesNo("discard"),
            Distances = cell.Child("distances") is { } distances ? [.. distances.All("sibling").Select(ReadDistance)] : [],
        };
    }

    private static NumaDistance ReadDistance(XmlSource sibling) => new(
        sibling.Int("id", 0, 1023) ?? throw XmlSource.Bad("Missing required attribute 'id' in element 'sibling'"),
        sibling.Int("value", 10, 255) ?? throw XmlSource.Bad("Missing required attribute 'value' in element 'sibling'"));

    internal static XElement? Write(DomainCpu? cpu) => cpu is null ? null : ElementTable.Cpu.Arrange(new XElement("cpu",
        XmlShape.Attribute("mode", cpu.Mode), XmlShape.Attribute("match", cpu.Match), XmlShape.Attribute("check", cpu.Check), XmlShape.OnOff("migratable", cpu.Migratable),
        XmlShape.Filled("model", XmlShape.Attribute("fallback", cpu.Fallback), XmlShape.Attribute("vendor_id", cpu.VendorId), cpu.Model),
        XmlShape.Text("vendor", cpu.Vendor),
        cpu.Topology is { } topology
            ? new XElement("topology", new XAttribute("sockets", topology.Sockets), new XAttribute("dies", topology.Dies), new XAttribute("cores", topology.Cores), new XAttribute("threads", topology.Threads))
            : null,
        cpu.Features.Select(static feature => new XElement("feature", XmlShape.Attribute("policy", feature.Policy), new XAttribute("name", feature.Name))),
        cpu.NumaCells.IsEmpty ? null : new XElement("numa", cpu.NumaCells.Select(WriteCell))), cpu.Kept);

    private static XElement WriteCell(NumaCell cell) => new("cell",
        XmlShape.Attribute("id", cell.Id), XmlShape.Attribute("cpus", cell.Cpus), new XAttribute("memory", cell.MemoryKib), new XAttribute("unit", "KiB"), XmlShape.Attribute("memAccess", cell.MemoryAccess),
        XmlShape.YesNo("discard", cell.Discard),
        cell.Distances.IsEmpty ? null : new XElement("distances", cell.Distances.Select(static one => new XElement("sibling", new XAttribute("id", one.CellId), new XAttribute("value", one.Value)))));
}
