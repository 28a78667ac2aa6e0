using System.Xml.Linq;
using Hutch.Model.Domains;

namespace Hutch.Daemon.Libvirt.Xml;

/// <summary><c>memory</c> among the devices.</summary>
internal static class MemoryDeviceXml
{
    internal static MemoryDevice Read(XmlSource source)
    {
        XmlSource target = source.Child("target") ?? throw XmlSource.Bad("missing <target> element for <memory> device");
        XmlSource? block = target.Child("block"), requested = target.Child("requested"), current = target.Child("current");
        MemoryDevice memory = new()
        {
            Model = source.Word("model", ["dimm", "nvdimm", "virtio-pmem", "virtio-mem", "sgx-epc"]) ?? throw XmlSource.Bad("Missing required attribute 'model' in element 'memory'"),
            Access = source.Word("access", ["shared", "private"]),
            Discard = source.YesNo("discard"),
            Uuid = source.ReadUuidChild(),
            SourceXml = source.Child("source")?.Whole(),
            SizeKib = MemoryXml.Kib(target.Child("size") ?? throw XmlSource.Bad("missing <size> of the <target> of a <memory> device")),
            Node = target.Child("node") is { } node ? (int)node.TextNumber(1023) : null,
            BlockKib = block is null ? null : MemoryXml.Kib(block),
            RequestedKib = requested is null ? null : MemoryXml.Kib(requested),
            CurrentKib = current is null ? null : MemoryXml.Kib(current),
        };
        return source.Complete(memory with { TargetKept = target.Finish(ElementTable.MemoryTarget) }, ElementTable.Memory);
    }

    private static System.Guid? ReadUuidChild(this XmlSource source) =>
        source.ChildText("uuid") is not { } text ? null : System.Guid.TryParse(text.Trim(), out System.Guid uuid) ? uuid : throw XmlSource.Bad($"malformed uuid element of a memory device: '{text}' is no UUID");

    internal static XElement Write(MemoryDevice memory, DomainXmlOptions options) => new XElement("memory",
        new XAttribute("model", memory.Model), XmlShape.Attribute("access", memory.Access), XmlShape.YesNo("discard", memory.Discard),
        XmlShape.Text("uuid", memory.Uuid),
        XmlShape.Whole(memory.SourceXml),
        ElementTable.MemoryTarget.Arrange(new XElement("target", XmlShape.Kib("size", memory.SizeKib), XmlShape.Text("node", memory.Node),
            memory.BlockKib is { } block ? XmlShape.Kib("block", block) : null, memory.RequestedKib is { } requested ? XmlShape.Kib("requested", requested) : null,
            options.IsLive && memory.CurrentKib is { } current ? XmlShape.Kib("current", current) : null), memory.TargetKept)).Complete(memory, options, ElementTable.Memory);
}
