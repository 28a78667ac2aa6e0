using System.Collections.Immutable;
using System.Globalization;
using System.Linq;
using System.Xml.Linq;
using Hutch.Model.Domains;

namespace Hutch.Daemon.Libvirt.Xml;

/// <summary><c>cputune</c> and <c>numatune</c>.</summary>
internal static class CpuTuneXml
{
    private static readonly string[] Limits = ["period", "quota", "global_period", "global_quota", "emulator_period", "emulator_quota", "iothread_period", "iothread_quota"];
    private static readonly string[] Modes = ["strict", "preferred", "interleave", "restrictive"];

    internal static CpuTune? Read(XmlSource? source)
    {
        if (source is null) return null;
        CpuTune tune = new()
        {
            Shares = source.Child("shares")?.TextNumber(262144),
            Limits = [.. Limits.Select(name => ReadLimit(source, name)).OfType<CpuLimit>()],
            VcpuPins = [.. source.All("vcpupin").Select(static pin => ReadPin(pin, "vcpu"))],
            EmulatorPin = source.Child("emulatorpin")?.Required("cpuset"),
            IoThreadPins = [.. source.All("iothreadpin").Select(static pin => ReadPin(pin, "iothread"))],
            Schedulers = [.. ReadSchedulers(source, "vcpu"), .. ReadSchedulers(source, "iothread"), .. ReadSchedulers(source, "emulator")],
        };
        return tune with { Kept = source.Finish(ElementTable.CpuTune) };
    }

    private static CpuLimit? ReadLimit(XmlSource source, string name)
    {
        if (source.ChildText(name) is not { } text) return null;
        return long.TryParse(text.Trim(), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out long value) ? new CpuLimit(name, value) : throw XmlSource.Bad($"can't parse cputune {name} value '{text}'");
    }

    private static ThreadPin ReadPin(XmlSource pin, string name) =>
        new(pin.Int(name, 0, VcpusXml.Most) ?? throw XmlSource.Bad($"Missing required attribute '{name}' in element '{pin.Name}'"), pin.Required("cpuset"));

    private static ImmutableArray<ThreadScheduler> ReadSchedulers(XmlSource source, string kind) => [.. source.All($"{kind}sched").Select(one => new ThreadScheduler(kind,
        kind == "emulator" ? null : one.Required($"{kind}s"), one.Word("scheduler", ["batch", "idle", "fifo", "rr"]) ?? throw XmlSource.Bad($"Missing required attribute 'scheduler' in element '{one.Name}'"),
        one.Int("priority", 1, 99)))];

    internal static XElement? Write(CpuTune? tune) => tune is null ? null : ElementTable.CpuTune.Arrange(new XElement("cputune",
        XmlShape.Text("shares", tune.Shares),
        tune.Limits.Select(static limit => new XElement(limit.Name, limit.Value)),
        tune.VcpuPins.Select(static pin => new XElement("vcpupin", new XAttribute("vcpu", pin.Id), new XAttribute("cpuset", pin.CpuSet))),
        XmlShape.Filled("emulatorpin", XmlShape.Attribute("cpuset", tune.EmulatorPin)),
        tune.IoThreadPins.Select(static pin => new XElement("iothreadpin", new XAttribute("iothread", pin.Id), new XAttribute("cpuset", pin.CpuSet))),
        tune.Schedulers.Select(static one => new XElement($"{one.Kind}sched", XmlShape.Attribute($"{one.Kind}s", one.Ids), new XAttribute("scheduler", one.Class), XmlShape.Attribute("priority", one.Priority)))), tune.Kept);

    internal static NumaTune? ReadNuma(XmlSource? source)
    {
        if (source is null) return null;
        XmlSource? memory = source.Child("memory");
        NumaTune tune = new()
        {
            Mode = memory?.Word("mode", Modes),
            NodeSet = memory?.Attribute("nodeset"),
            Placement = memory?.Word("placement", ["static", "auto"]),
            Cells = [.. source.All("memnode").Select(static node => new NumaTuneCell(node.Int("cellid", 0, 1023) ?? throw XmlSource.Bad("Missing required attribute 'cellid' in element 'memnode'"),
                node.Word("mode", Modes) ?? "strict", node.Required("nodeset")))],
        };
        source.Finish(ElementTable.NumaTune);
        return tune;
    }

    internal static XElement? WriteNuma(NumaTune? tune) => tune is null ? null : new XElement("numatune",
        XmlShape.Filled("memory", XmlShape.Attribute("mode", tune.Mode), XmlShape.Attribute("nodeset", tune.NodeSet), XmlShape.Attribute("placement", tune.Placement)),
        tune.Cells.Select(static cell => new XElement("memnode", new XAttribute("cellid", cell.CellId), new XAttribute("mode", cell.Mode), new XAttribute("nodeset", cell.NodeSet))));
}
