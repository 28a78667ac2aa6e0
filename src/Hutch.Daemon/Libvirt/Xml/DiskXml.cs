using System;
using System.Collections.Generic;
using System.Linq;
using System.Xml.Linq;
using Hutch.Model.Domains;

namespace Hutch.Daemon.Libvirt.Xml;

/// <summary><c>disk</c>.</summary>
internal static class DiskXml
{
    private static readonly string[] Limits =
    [
        "total_bytes_sec", "read_bytes_sec", "write_bytes_sec", "total_iops_sec", "read_iops_sec", "write_iops_sec", "total_bytes_sec_max", "read_bytes_sec_max", "write_bytes_sec_max", "total_iops_sec_max",
        "read_iops_sec_max", "write_iops_sec_max", "size_iops_sec", "group_name", "total_bytes_sec_max_length", "read_bytes_sec_max_length", "write_bytes_sec_max_length", "total_iops_sec_max_length",
        "read_iops_sec_max_length", "write_iops_sec_max_length",
    ];

    internal static DiskDevice Read(XmlSource source)
    {
        string type = source.Word("type", ["file", "block", "dir", "network", "volume", "nvme", "vhostuser"]) ?? "file";
        XmlSource? blocks = source.Child("blockio");
        XmlSource target = source.Child("target") ?? throw XmlSource.Bad("missing target information for the disk: the element <target>");
        DiskDevice disk = new()
        {
            Device = source.Word("device", ["disk", "cdrom", "floppy", "lun"]) ?? "disk",
            Model = source.Word("model", ["virtio", "virtio-transitional", "virtio-non-transitional"]),
            Snapshot = source.Word("snapshot", ["no", "internal", "external", "manual"]),
            Driver = DiskDriverXml.Read(source.Child("driver")),
            Source = DiskSourceXml.Read(source.Child("source"), type),
            Backing = DiskSourceXml.ReadBacking(source.Child("backingStore")),
            Target = TargetOf(target),
            Bus = target.Word("bus", ["ide", "fdc", "scsi", "virtio", "usb", "sata", "sd"]),
            Tray = target.Word("tray", ["open", "closed"]),
            Removable = target.OnOff("removable"),
            RotationRate = target.UInt("rotation_rate", 65534),
            Throttle = ReadThrottle(source.Child("iotune")),
            BlockSizes = blocks is null ? null : new DiskBlockSizes(blocks.UInt("logical_block_size"), blocks.UInt("physical_block_size")),
            ReadOnly = source.Has("readonly"),
            Shareable = source.Has("shareable"),
            Transient = source.Has("transient"),
            Serial = source.ChildText("serial"),
            Wwn = source.ChildText("wwn"),
            Vendor = source.ChildText("vendor"),
            Product = source.ChildText("product"),
        };
        return source.Complete(disk, ElementTable.Disk);
    }

    private static string TargetOf(XmlSource target)
    {
        string name = target.Required("dev");
        bool isGood = name.Length is > 2 and < 16;
        foreach (char character in name) isGood &= character is (>= 'a' and <= 'z') or (>= '0' and <= '9');
        return isGood ? name : throw XmlSource.Bad($"Invalid harddisk device name: {name}");
    }

    private static DiskThrottle? ReadThrottle(XmlSource? source) => source is null ? null : new DiskThrottle
    {
        Limits = [.. Limits.Where(static name => name != "group_name").Select(name => source.Child(name) is { } limit ? new DiskLimit(name, limit.TextNumber(long.MaxValue)) : null).OfType<DiskLimit>()],
        Group = source.ChildText("group_name"),
    };

    internal static XElement Write(DiskDevice disk, DomainXmlOptions options) => new XElement("disk",
        new XAttribute("type", disk.Source.Type), new XAttribute("device", disk.Device), XmlShape.Attribute("model", disk.Model), XmlShape.Attribute("snapshot", disk.Snapshot),
        DiskDriverXml.Write(disk.Driver),
        DiskSourceXml.Write(disk.Source, options),
        !options.IsInactive || options.IsMigratable ? DiskSourceXml.WriteBacking(disk.Backing, options) : null,
        new XElement("target", new XAttribute("dev", disk.Target), XmlShape.Attribute("bus", disk.Bus), XmlShape.Attribute("tray", disk.Tray), XmlShape.OnOff("removable", disk.Removable), XmlShape.Attribute("rotation_rate", disk.RotationRate)),
        disk.Throttle is { } throttle ? new XElement("iotune", WriteThrottle(throttle).OrderBy(static limit => Array.IndexOf(Limits, limit.Name.LocalName))) : null,
        disk.BlockSizes is { } blocks ? new XElement("blockio", XmlShape.Attribute("logical_block_size", blocks.LogicalBytes), XmlShape.Attribute("physical_block_size", blocks.PhysicalBytes)) : null,
        XmlShape.Flag("readonly", disk.ReadOnly),
        XmlShape.Flag("shareable", disk.Shareable),
        XmlShape.Flag("transient", disk.Transient),
        XmlShape.Text("serial", disk.Serial),
        XmlShape.Text("wwn", disk.Wwn),
        XmlShape.Text("vendor", disk.Vendor),
        XmlShape.Text("product", disk.Product)).Complete(disk, options, ElementTable.Disk);

    private static IEnumerable<XElement> WriteThrottle(DiskThrottle throttle)
    {
        foreach (DiskLimit limit in throttle.Limits) yield return new XElement(limit.Name, limit.Value);
        if (throttle.Group is { } group) yield return new XElement("group_name", group);
    }
}
