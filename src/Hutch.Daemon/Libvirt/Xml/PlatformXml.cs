using System.Xml.Linq;
using Hutch.Model.Domains;

namespace Hutch.Daemon.Libvirt.Xml;

/// <summary><c>memballoon</c>, <c>watchdog</c>, <c>panic</c>, <c>vsock</c>, <c>iommu</c>.</summary>
internal static class PlatformXml
{
    private static readonly string[] VirtioModels = ["virtio", "virtio-transitional", "virtio-non-transitional"];

    internal static BalloonDevice ReadBalloon(XmlSource source)
    {
        BalloonDevice balloon = new()
        {
            Model = source.Word("model", [.. VirtioModels, "xen", "none"]) ?? throw XmlSource.Bad("Missing required attribute 'model' in element 'memballoon'"),
            AutoDeflate = source.OnOff("autodeflate"),
            FreePageReporting = source.OnOff("freePageReporting"),
            StatisticsPeriodSeconds = source.Child("stats")?.UInt("period", int.MaxValue),
            Virtio = DeviceInformationXml.ReadVirtio(source.Child("driver")),
        };
        return source.Complete(balloon, ElementTable.Plain);
    }

    internal static XElement Write(BalloonDevice balloon, DomainXmlOptions options) => new XElement("memballoon",
        new XAttribute("model", balloon.Model), XmlShape.OnOff("autodeflate", balloon.AutoDeflate), XmlShape.OnOff("freePageReporting", balloon.FreePageReporting),
        XmlShape.Filled("stats", XmlShape.Attribute("period", balloon.StatisticsPeriodSeconds)),
        XmlShape.Filled("driver", DeviceInformationXml.WriteVirtio(balloon.Virtio))).Complete(balloon, options, ElementTable.Plain);

    internal static WatchdogDevice ReadWatchdog(XmlSource source)
    {
        WatchdogDevice watchdog = new()
        {
            Model = source.Word("model", ["i6300esb", "ib700", "diag288", "itco"]) ?? throw XmlSource.Bad("Missing required attribute 'model' in element 'watchdog'"),
            Action = source.Word("action", ["reset", "shutdown", "poweroff", "pause", "dump", "none", "inject-nmi"]),
        };
        return source.Complete(watchdog, ElementTable.Plain);
    }

    internal static XElement Write(WatchdogDevice watchdog, DomainXmlOptions options) =>
        new XElement("watchdog", new XAttribute("model", watchdog.Model), XmlShape.Attribute("action", watchdog.Action)).Complete(watchdog, options, ElementTable.Plain);

    internal static PanicDevice ReadPanic(XmlSource source) => source.Complete(new PanicDevice { Model = source.Word("model", ["isa", "pseries", "hyperv", "s390", "pvpanic"]) }, ElementTable.Plain);

    internal static XElement Write(PanicDevice panic, DomainXmlOptions options) => new XElement("panic", XmlShape.Attribute("model", panic.Model)).Complete(panic, options, ElementTable.Plain);

    internal static VsockDevice ReadVsock(XmlSource source)
    {
        XmlSource? cid = source.Child("cid");
        VsockDevice vsock = new()
        {
            Model = source.Word("model", VirtioModels),
            AutoCid = cid?.YesNo("auto"),
            Cid = cid?.UInt("address"),
            Virtio = DeviceInformationXml.ReadVirtio(source.Child("driver")),
        };
        if (vsock.Cid < 3) throw XmlSource.Bad($"guest CIDs must be >= 3, and this one is {vsock.Cid}");
        return source.Complete(vsock, ElementTable.Plain);
    }

    internal static XElement Write(VsockDevice vsock, DomainXmlOptions options) => new XElement("vsock", XmlShape.Attribute("model", vsock.Model),
        XmlShape.Filled("cid", XmlShape.YesNo("auto", vsock.AutoCid), XmlShape.Attribute("address", vsock.Cid)),
        XmlShape.Filled("driver", DeviceInformationXml.WriteVirtio(vsock.Virtio))).Complete(vsock, options, ElementTable.Plain);

    internal static IommuDevice ReadIommu(XmlSource source)
    {
        IommuDevice iommu = new()
        {
            Model = source.Word("model", ["intel", "smmuv3", "virtio"]) ?? throw XmlSource.Bad("Missing required attribute 'model' in element 'iommu'"),
            DriverAttributes = source.Child("driver")?.OtherAttributes() ?? [],
        };
        return source.Complete(iommu, ElementTable.Plain);
    }

    internal static XElement Write(IommuDevice iommu, DomainXmlOptions options) => new XElement("iommu", new XAttribute("model", iommu.Model),
        XmlShape.Filled("driver", XmlShape.Attributes(iommu.DriverAttributes))).Complete(iommu, options, ElementTable.Plain);
}
