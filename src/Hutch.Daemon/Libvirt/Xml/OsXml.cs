using System.Linq;
using System.Xml.Linq;
using Hutch.Model.Domains;

namespace Hutch.Daemon.Libvirt.Xml;

/// <summary><c>os</c>.</summary>
internal static class OsXml
{
    internal static DomainOs Read(XmlSource? source)
    {
        if (source is null) throw XmlSource.Bad("an os <type> must be specified: the element <os> is missing");
        XmlSource type = source.Child("type") ?? throw XmlSource.Bad("an os <type> must be specified");
        XmlSource? menu = source.Child("bootmenu"), bios = source.Child("bios");
        DomainOs os = new()
        {
            Type = type.Text,
            Arch = type.Attribute("arch"),
            Machine = type.Attribute("machine"),
            Firmware = source.Word("firmware", ["bios", "efi"]),
            FirmwareFeatures = source.Child("firmware") is { } firmware ? [.. firmware.All("feature").Select(ReadFeature)] : [],
            Loader = ReadLoader(source.Child("loader")),
            Nvram = source.Child("nvram") is { } nvram ? new FirmwareVariables(NullIfEmpty(nvram.Text), nvram.Attribute("template"), nvram.Word("format", ["raw", "qcow2"])) : null,
            Kernel = source.ChildText("kernel"),
            Initrd = source.ChildText("initrd"),
            CommandLine = source.ChildText("cmdline"),
            DeviceTree = source.ChildText("dtb"),
            BootDevices = [.. source.All("boot").Select(static boot => boot.Word("dev", ["fd", "hd", "cdrom", "network"]) ?? throw XmlSource.Bad("Missing required attribute 'dev' in element 'boot'"))],
            BootMenu = menu?.YesNo("enable"),
            BootMenuTimeoutMs = menu?.UInt("timeout", 65535),
            BiosUsesSerial = bios?.YesNo("useserial"),
            BiosRebootTimeoutMs = bios?.Int("rebootTimeout", -1, 65535),
            Smbios = source.Child("smbios")?.Word("mode", ["emulate", "host", "sysinfo"]),
        };
        return os with { Kept = source.Finish(ElementTable.Os) };
    }

    private static FirmwareFeature ReadFeature(XmlSource feature) => new(
        feature.Word("name", ["secure-boot", "enrolled-keys"]) ?? throw XmlSource.Bad("Missing required attribute 'name' in element 'feature'"),
        feature.YesNo("enabled") ?? throw XmlSource.Bad("Missing required attribute 'enabled' in element 'feature'"));

    private static FirmwareLoader? ReadLoader(XmlSource? loader) => loader is null ? null : new FirmwareLoader
    {
        Path = NullIfEmpty(loader.Text),
        ReadOnly = loader.YesNo("readonly"),
        Secure = loader.YesNo("secure"),
        Type = loader.Word("type", ["rom", "pflash"]),
        Stateless = loader.YesNo("stateless"),
        Format = loader.Word("format", ["raw", "qcow2"]),
    };

    private static string? NullIfEmpty(string text) => text.Length == 0 ? null : text;

    internal static XElement Write(DomainOs os) => ElementTable.Os.Arrange(new XElement("os", XmlShape.Attribute("firmware", os.Firmware),
        new XElement("type", XmlShape.Attribute("arch", os.Arch), XmlShape.Attribute("machine", os.Machine), os.Type),
        os.FirmwareFeatures.IsEmpty ? null : new XElement("firmware", os.FirmwareFeatures.Select(static feature => new XElement("feature", XmlShape.YesNo("enabled", feature.Enabled), new XAttribute("name", feature.Name)))),
        os.Loader is { } loader
            ? new XElement("loader", XmlShape.YesNo("readonly", loader.ReadOnly), XmlShape.YesNo("secure", loader.Secure), XmlShape.Attribute("type", loader.Type), XmlShape.YesNo("stateless", loader.Stateless),
                XmlShape.Attribute("format", loader.Format), loader.Path)
            : null,
        os.Nvram is { } nvram ? new XElement("nvram", XmlShape.Attribute("template", nvram.Template), XmlShape.Attribute("format", nvram.Format), nvram.Path) : null,
        XmlShape.Text("kernel", os.Kernel),
        XmlShape.Text("initrd", os.Initrd),
        XmlShape.Text("cmdline", os.CommandLine),
        XmlShape.Text("dtb", os.DeviceTree),
        os.BootDevices.Select(static device => new XElement("boot", new XAttribute("dev", device))),
        XmlShape.Filled("bootmenu", XmlShape.YesNo("enable", os.BootMenu), XmlShape.Attribute("timeout", os.BootMenuTimeoutMs)),
        XmlShape.Filled("bios", XmlShape.YesNo("useserial", os.BiosUsesSerial), XmlShape.Attribute("rebootTimeout", os.BiosRebootTimeoutMs)),
        XmlShape.Filled("smbios", XmlShape.Attribute("mode", os.Smbios))), os.Kept);
}
