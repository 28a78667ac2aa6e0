using System;
using System.Collections.Generic;
using System.Collections.Immutable;
using System.Linq;
using System.Xml.Linq;
using Hutch.Model.Domains;

namespace Hutch.Daemon.Libvirt.Xml;

/// <summary>
/// A domain's document (libvirt, formatdomain) both ways. Reading throws <see cref="Management.ManagementException"/> of kind BadDocument (not XML, or a value that cannot be) or Unsupported (an element that Hutch would
/// have to drop); <see cref="ElementTable"/> is the rule. Printing is libvirt's to the letter. Any thread.
/// </summary>
public static class DomainXml
{
    private static readonly string[] Actions = ["destroy", "restart", "preserve", "rename-restart"];
    private static readonly string[] CrashActions = [.. Actions, "coredump-destroy", "coredump-restart"];

    /// <summary>Reads a domain; nothing is filled in.</summary>
    public static DomainDefinition Read(string text)
    {
        XElement root = XmlText.Parse(text, "domain_definition");
        if (root.Name != "domain") throw XmlSource.Bad($"unexpected root element <{root.Name.LocalName}>, expecting <domain>");
        return Read(new XmlSource(root));
    }

    /// <summary>Reads one device: what is attached, detached or changed.</summary>
    public static DomainDevice ReadDevice(string text)
    {
        XmlSource source = new(XmlText.Parse(text, "device_definition"));
        return DeviceXml.Read(source);
    }

    /// <summary>Prints a domain.</summary>
    public static string Write(DomainDefinition domain, DomainXmlOptions options) => XmlText.Print(Element(domain, options));

    /// <summary>Prints one device.</summary>
    public static string WriteDevice(DomainDevice device, DomainXmlOptions options) => XmlText.Print(DeviceXml.Write(device, options));

    /// <summary>Reads a domain that may stand in another document.</summary>
    internal static DomainDefinition Read(XmlSource source)
    {
        _ = source.Attribute("id");
        (DomainMemory memory, DomainVcpus vcpus) = (MemoryXml.Read(source), VcpusXml.Read(source));
        XmlSource? metadata = source.Child("metadata");
        (string? emulator, ImmutableArray<DomainDevice> devices) = ReadDevices(source.Child("devices"));
        DomainDefinition domain = new()
        {
            Type = source.Word("type", ["qemu", "kvm", "test"]) ?? throw XmlSource.Bad("missing domain type attribute"),
            Name = ReadName(source),
            Uuid = source.ChildText("uuid") is { } uuid ? ReadUuid(uuid, "malformed uuid element") : Guid.Empty,
            GenerationId = source.ChildText("genid") is not { } generation ? null : generation.Length == 0 ? Guid.Empty : ReadUuid(generation, "malformed genid element"),
            Title = ReadTitle(source.ChildText("title")),
            Description = source.ChildText("description"),
            Metadata = metadata?.ChildTexts() ?? [],
            Memory = memory,
            MemoryBacking = MemoryXml.ReadBacking(source.Child("memoryBacking")),
            Vcpus = vcpus,
            IoThreads = source.Child("iothreads") is { } threads ? (int)threads.TextNumber(1024) : null,
            CpuTune = CpuTuneXml.Read(source.Child("cputune")),
            NumaTune = CpuTuneXml.ReadNuma(source.Child("numatune")),
            SystemInformation = [.. source.All("sysinfo").Select(SystemInformationXml.Read)],
            Os = OsXml.Read(source.Child("os")),
            Features = FeaturesXml.Read(source.Child("features")),
            Cpu = CpuXml.Read(source.Child("cpu")),
            Clock = ClockXml.Read(source.Child("clock")),
            OnPoweroff = ReadAction(source, "on_poweroff", Actions),
            OnReboot = ReadAction(source, "on_reboot", Actions),
            OnCrash = ReadAction(source, "on_crash", CrashActions),
            Emulator = emulator,
            Devices = devices,
        };
        return domain with { Kept = source.Finish(ElementTable.Domain) };
    }

    private static string ReadName(XmlSource source)
    {
        string name = source.ChildText("name") ?? throw XmlSource.Bad("missing name information for the domain: the element <name> is missing");
        if (name.Length == 0) throw XmlSource.Bad("name of the domain must not be empty");
        return name.AsSpan().IndexOfAny('/', '\n') < 0 ? name : throw XmlSource.Bad($"name {name} cannot contain '/' or a line break");
    }

    private static Guid ReadUuid(string text, string message) => Guid.TryParse(text.Trim(), out Guid uuid) ? uuid : throw XmlSource.Bad($"{message}: '{text}' is no UUID");

    private static string? ReadTitle(string? title) =>
        title is null || title.AsSpan().IndexOf('\n') < 0 ? title : throw XmlSource.Bad("Domain title can't contain newlines");

    private static string? ReadAction(XmlSource source, string name, string[] allowed)
    {
        if (source.ChildText(name) is not { } action) return null;
        return allowed.AsSpan().Contains(action) ? action : throw XmlSource.Bad($"unknown {name} action: '{action}'. Expected one of {string.Join(", ", allowed)}");
    }

    private static (string? Emulator, ImmutableArray<DomainDevice> Devices) ReadDevices(XmlSource? source)
    {
        if (source is null) return (null, []);
        string? emulator = source.ChildText("emulator");
        DomainDevice[] devices = [.. source.Children().Select(DeviceXml.Read)];
        return (emulator, [.. devices.OrderBy(DeviceXml.PlaceOf)]);
    }

    /// <summary>A domain as an element.</summary>
    internal static XElement Element(DomainDefinition domain, DomainXmlOptions options)
    {
        XElement element = new("domain", new XAttribute("type", domain.Type), options.IsLive ? XmlShape.Attribute("id", options.Id) : null,
            XmlShape.Text("name", domain.Name),
            domain.Uuid == Guid.Empty ? null : XmlShape.Text("uuid", domain.Uuid),
            domain.GenerationId is { } generation ? XmlShape.Text("genid", generation == Guid.Empty ? "" : generation) : null,
            XmlShape.Text("title", domain.Title),
            XmlShape.Text("description", domain.Description),
            domain.Metadata.IsEmpty ? null : new XElement("metadata", domain.Metadata.Select(XmlShape.Whole)),
            MemoryXml.Write(domain.Memory),
            MemoryXml.WriteBacking(domain.MemoryBacking),
            VcpusXml.Write(domain.Vcpus),
            XmlShape.Text("iothreads", domain.IoThreads),
            CpuTuneXml.Write(domain.CpuTune),
            CpuTuneXml.WriteNuma(domain.NumaTune),
            domain.SystemInformation.Select(SystemInformationXml.Write),
            OsXml.Write(domain.Os),
            FeaturesXml.Write(domain.Features),
            CpuXml.Write(domain.Cpu),
            ClockXml.Write(domain.Clock),
            XmlShape.Text("on_poweroff", domain.OnPoweroff),
            XmlShape.Text("on_reboot", domain.OnReboot),
            XmlShape.Text("on_crash", domain.OnCrash),
            WriteDevices(domain, options));
        return ElementTable.Domain.Arrange(element, domain.Kept);
    }

    private static XElement WriteDevices(DomainDefinition domain, DomainXmlOptions options)
    {
        IEnumerable<DomainDevice> devices = options.IsMigratable ? domain.Devices.Where(device => !MigratableXml.IsImplied(domain, device)) : domain.Devices;
        return ElementTable.Devices.Arrange(new XElement("devices", XmlShape.Text("emulator", domain.Emulator), devices.Select(device => DeviceXml.Write(device, options))), []);
    }
}
