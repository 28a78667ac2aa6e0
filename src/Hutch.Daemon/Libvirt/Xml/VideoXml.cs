using System.Xml.Linq;
using Hutch.Model.Domains;

namespace Hutch.Daemon.Libvirt.Xml;

/// <summary><c>video</c>.</summary>
internal static class VideoXml
{
    private static readonly string[] Models = ["vga", "cirrus", "vmvga", "xen", "vbox", "parallels", "qxl", "virtio", "gop", "none", "bochs", "ramfb"];

    internal static VideoDevice Read(XmlSource source)
    {
        XmlSource? model = source.Child("model");
        XmlSource? acceleration = model?.Child("acceleration"), resolution = model?.Child("resolution");
        VideoDevice video = new()
        {
            Model = model?.Word("type", Models),
            RamKib = model?.UInt("ram"),
            VramKib = model?.UInt("vram"),
            Vram64Kib = model?.UInt("vram64"),
            VgaMemoryKib = model?.UInt("vgamem"),
            Heads = model?.UInt("heads", 16),
            Primary = model?.YesNo("primary"),
            Blob = model?.OnOff("blob"),
            Accel3d = acceleration?.YesNo("accel3d"),
            Accel2d = acceleration?.YesNo("accel2d"),
            Width = resolution?.UInt("x", 16384),
            Height = resolution?.UInt("y", 16384),
            Virtio = DeviceInformationXml.ReadVirtio(source.Child("driver")),
        };
        return source.Complete(video, ElementTable.Video);
    }

    internal static XElement Write(VideoDevice video, DomainXmlOptions options) => new XElement("video",
        XmlShape.Filled("driver", DeviceInformationXml.WriteVirtio(video.Virtio)),
        XmlShape.Filled("model", XmlShape.Attribute("type", video.Model), XmlShape.Attribute("ram", video.RamKib), XmlShape.Attribute("vram", video.VramKib), XmlShape.Attribute("vram64", video.Vram64Kib),
            XmlShape.Attribute("vgamem", video.VgaMemoryKib), XmlShape.Attribute("heads", video.Heads), XmlShape.YesNo("primary", video.Primary), XmlShape.OnOff("blob", video.Blob),
            XmlShape.Filled("acceleration", XmlShape.YesNo("accel3d", video.Accel3d), XmlShape.YesNo("accel2d", video.Accel2d)),
            XmlShape.Filled("resolution", XmlShape.Attribute("x", video.Width), XmlShape.Attribute("y", video.Height)))).Complete(video, options, ElementTable.Video);
}
