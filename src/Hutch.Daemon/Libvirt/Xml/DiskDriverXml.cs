using System.Xml.Linq;
using Hutch.Model.Domains;

namespace Hutch.Daemon.Libvirt.Xml;

/// <summary><c>driver</c> of a disk.</summary>
internal static class DiskDriverXml
{
    private static readonly string[] Formats =
        ["raw", "dir", "bochs", "cloop", "dmg", "iso", "vpc", "vdi", "fat", "vhd", "ploop", "cow", "qcow", "qcow2", "qed", "vmdk", "luks", "vhdx"];

    internal static DiskDriver? Read(XmlSource? source)
    {
        if (source is null) return null;
        DiskDriver driver = new()
        {
            Name = source.Word("name", ["qemu"]),
            Type = source.Word("type", Formats),
            Cache = source.Word("cache", ["default", "none", "writethrough", "writeback", "directsync", "unsafe"]),
            ErrorPolicy = source.Word("error_policy", ["stop", "report", "ignore", "enospace"]),
            ReadErrorPolicy = source.Word("rerror_policy", ["stop", "report", "ignore"]),
            Io = source.Word("io", ["native", "threads", "io_uring"]),
            IoEventFd = source.OnOff("ioeventfd"),
            EventIndex = source.OnOff("event_idx"),
            CopyOnRead = source.OnOff("copy_on_read"),
            Discard = source.Word("discard", ["unmap", "ignore"]),
            IoThread = source.UInt("iothread"),
            DetectZeroes = source.Word("detect_zeroes", ["off", "on", "unmap"]),
            Queues = source.UInt("queues"),
            QueueSize = source.UInt("queue_size", 32768),
            Virtio = DeviceInformationXml.ReadVirtio(source),
        };
        return driver with { Kept = source.Finish(ElementTable.DiskDriver) };
    }

    internal static XElement? Write(DiskDriver? driver) => driver is null ? null : ElementTable.DiskDriver.Arrange(new XElement("driver",
        XmlShape.Attribute("name", driver.Name), XmlShape.Attribute("type", driver.Type), XmlShape.Attribute("cache", driver.Cache), XmlShape.Attribute("error_policy", driver.ErrorPolicy),
        XmlShape.Attribute("rerror_policy", driver.ReadErrorPolicy), XmlShape.Attribute("io", driver.Io), XmlShape.OnOff("ioeventfd", driver.IoEventFd), XmlShape.OnOff("event_idx", driver.EventIndex),
        XmlShape.OnOff("copy_on_read", driver.CopyOnRead), XmlShape.Attribute("discard", driver.Discard), XmlShape.Attribute("iothread", driver.IoThread), XmlShape.Attribute("detect_zeroes", driver.DetectZeroes),
        XmlShape.Attribute("queues", driver.Queues), XmlShape.Attribute("queue_size", driver.QueueSize), DeviceInformationXml.WriteVirtio(driver.Virtio)), driver.Kept);
}
