using System.Xml.Linq;
using Hutch.Model.Domains;

namespace Hutch.Daemon.Libvirt.Xml;

/// <summary><c>features</c>.</summary>
internal static class FeaturesXml
{
    internal static DomainFeatures? Read(XmlSource? source)
    {
        if (source is null) return null;
        XmlSource? apic = source.Child("apic"), smm = source.Child("smm");
        XmlSource? tseg = smm?.Child("tseg");
        DomainFeatures features = new()
        {
            Acpi = source.Has("acpi"),
            Apic = apic is not null,
            ApicEoi = apic?.OnOff("eoi"),
            Pae = source.Has("pae"),
            KvmHidden = source.Child("kvm")?.Child("hidden")?.OnOff("state"),
            Pmu = State(source, "pmu"),
            VmPort = State(source, "vmport"),
            Smm = smm is null ? null : smm.OnOff("state") ?? true,
            SmmTsegKib = tseg is null ? null : MemoryXml.Kib(tseg, usual: 1024 * 1024),
            IoApicDriver = source.Child("ioapic")?.Word("driver", ["kvm", "qemu"]),
            VmCoreInfo = State(source, "vmcoreinfo"),
        };
        return features with { Kept = source.Finish(ElementTable.Features) };
    }

    private static bool? State(XmlSource source, string name) => source.Child(name) is { } feature ? feature.OnOff("state") ?? true : null;

    internal static XElement? Write(DomainFeatures? features) => features is null ? null : ElementTable.Features.Arrange(new XElement("features",
        XmlShape.Flag("acpi", features.Acpi),
        features.Apic ? new XElement("apic", XmlShape.OnOff("eoi", features.ApicEoi)) : null,
        XmlShape.Flag("pae", features.Pae),
        features.KvmHidden is { } hidden ? new XElement("kvm", new XElement("hidden", XmlShape.OnOff("state", hidden))) : null,
        XmlShape.Filled("pmu", XmlShape.OnOff("state", features.Pmu)),
        XmlShape.Filled("vmport", XmlShape.OnOff("state", features.VmPort)),
        XmlShape.Filled("smm", XmlShape.OnOff("state", features.Smm), features.SmmTsegKib is { } tseg ? XmlShape.Kib("tseg", tseg) : null),
        XmlShape.Filled("ioapic", XmlShape.Attribute("driver", features.IoApicDriver)),
        XmlShape.Filled("vmcoreinfo", XmlShape.OnOff("state", features.VmCoreInfo))), features.Kept);
}
