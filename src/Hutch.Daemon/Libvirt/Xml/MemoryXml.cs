using System;
using System.Collections.Generic;
using System.Linq;
using System.Xml.Linq;
using Hutch.Model.Domains;

namespace Hutch.Daemon.Libvirt.Xml;

/// <summary><c>memory</c>, <c>currentMemory</c>, <c>maxMemory</c>, <c>memoryBacking</c>.</summary>
internal static class MemoryXml
{
    /// <summary>More than any machine has: 1 EiB.</summary>
    internal const ulong MostKib = 1UL << 50;

    internal static DomainMemory Read(XmlSource domain)
    {
        XmlSource? total = domain.Child("memory"), current = domain.Child("currentMemory"), maximum = domain.Child("maxMemory");
        DomainMemory memory = new()
        {
            TotalKib = total is null ? 0 : Kib(total),
            DumpCore = total?.OnOff("dumpCore"),
            CurrentKib = current is null ? null : Kib(current),
            MaximumKib = maximum is null ? null : Kib(maximum),
            Slots = maximum?.UInt("slots", 256),
        };
        if (memory.MaximumKib is not null && memory.Slots is null or 0) throw XmlSource.Bad("maximum memory size requires the number of memory slots: the attribute 'slots' of <maxMemory>");
        return memory;
    }

    /// <summary>An amount with its unit in KiB, rounded up.</summary>
    internal static ulong Kib(XmlSource source, string unitAttribute = "unit", ulong usual = 1024)
    {
        string? unit = source.Attribute(unitAttribute);
        UInt128 bytes = (UInt128)source.TextNumber() * (unit is null ? usual : Scale(unit, source.Name));
        UInt128 kib = (bytes + 1023) / 1024;
        return kib <= MostKib ? (ulong)kib : throw XmlSource.Bad($"size value of <{source.Name}> is too large: at most {MostKib} KiB");
    }

    internal static ulong Scale(string unit, string element)
    {
        if (unit is "b" or "B" or "byte" or "bytes") return 1;
        int power = unit.Length is 0 or > 3 ? -1 : "KMGTPE".IndexOf(char.ToUpperInvariant(unit[0]), StringComparison.Ordinal);
        ulong step = unit.Length < 2 || unit[1..].Equals("iB", StringComparison.OrdinalIgnoreCase) ? 1024UL : unit[1..].Equals("B", StringComparison.OrdinalIgnoreCase) ? 1000UL : 0;
        if (power < 0 || step == 0) throw XmlSource.Bad($"unknown suffix '{unit}' of <{element}>. Expected one of b, KB, KiB, MB, MiB, GB, GiB, TB, TiB, PB, PiB, EB, EiB");
        ulong scale = step;
        for (int i = 0; i < power; i++) scale *= step;
        return scale;
    }

    internal static IEnumerable<XElement?> Write(DomainMemory memory)
    {
        if (memory.MaximumKib is { } maximum) yield return new XElement("maxMemory", XmlShape.Attribute("slots", memory.Slots), new XAttribute("unit", "KiB"), maximum);
        yield return new XElement("memory", new XAttribute("unit", "KiB"), XmlShape.OnOff("dumpCore", memory.DumpCore), memory.TotalKib);
        if (memory.CurrentKib is { } current) yield return XmlShape.Kib("currentMemory", current);
    }

    internal static MemoryBacking? ReadBacking(XmlSource? source)
    {
        if (source is null) return null;
        XmlSource? huge = source.Child("hugepages"), allocation = source.Child("allocation");
        MemoryBacking backing = new()
        {
            HugePages = huge is not null,
            Pages = huge is null ? [] : [.. huge.All("page").Select(static page => new HugePage(PageKib(page), page.Attribute("nodeset")))],
            NoSharePages = source.Has("nosharepages"),
            Locked = source.Has("locked"),
            SourceType = source.Child("source")?.Word("type", ["anonymous", "file", "memfd"]),
            AccessMode = source.Child("access")?.Word("mode", ["shared", "private"]),
            AllocationMode = allocation?.Word("mode", ["immediate", "ondemand"]),
            AllocationThreads = allocation?.UInt("threads"),
            Discard = source.Has("discard"),
        };
        source.Finish(ElementTable.MemoryBacking);
        return backing;
    }

    private static ulong PageKib(XmlSource page)
    {
        UInt128 bytes = (UInt128)(page.Unsigned("size") ?? throw XmlSource.Bad("Missing required attribute 'size' in element 'page'")) * Scale(page.Attribute("unit") ?? "KiB", "page");
        return bytes / 1024 is { } kib && kib <= MostKib ? (ulong)kib : throw XmlSource.Bad($"size of <page> is too large: at most {MostKib} KiB");
    }

    internal static XElement? WriteBacking(MemoryBacking? backing) => backing is null ? null : new XElement("memoryBacking",
        backing.HugePages
            ? new XElement("hugepages", backing.Pages.Select(static page => new XElement("page", new XAttribute("size", page.SizeKib), new XAttribute("unit", "KiB"), XmlShape.Attribute("nodeset", page.NodeSet))))
            : null,
        XmlShape.Flag("nosharepages", backing.NoSharePages),
        XmlShape.Flag("locked", backing.Locked),
        XmlShape.Filled("source", XmlShape.Attribute("type", backing.SourceType)),
        XmlShape.Filled("access", XmlShape.Attribute("mode", backing.AccessMode)),
        XmlShape.Filled("allocation", XmlShape.Attribute("mode", backing.AllocationMode), XmlShape.Attribute("threads", backing.AllocationThreads)),
        XmlShape.Flag("discard", backing.Discard));
}
