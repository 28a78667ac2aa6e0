using System.Xml.Linq;
using Hutch.Model.Domains;

namespace Hutch.Daemon.Libvirt.Xml;

/// <summary><c>rng</c>.</summary>
internal static class EntropyXml
{
    internal static EntropyDevice Read(XmlSource source)
    {
        XmlSource? rate = source.Child("rate");
        XmlSource backend = source.Child("backend") ?? throw XmlSource.Bad("missing RNG device backend: the element <backend>");
        string model = backend.Word("model", ["random", "egd", "builtin"]) ?? throw XmlSource.Bad("missing RNG device backend model: the attribute 'model' of <backend>");
        EntropyDevice entropy = new()
        {
            Model = source.Word("model", ["virtio", "virtio-transitional", "virtio-non-transitional"]) ?? throw XmlSource.Bad("Missing required attribute 'model' in element 'rng'"),
            RateBytes = rate?.UInt("bytes"),
            RatePeriodMs = rate?.UInt("period"),
            BackendModel = model,
            Path = model == "random" && backend.Text.Length != 0 ? backend.Text : null,
            BackendXml = model == "egd" ? backend.Whole() : null,
            Virtio = DeviceInformationXml.ReadVirtio(source.Child("driver")),
        };
        return source.Complete(entropy, ElementTable.Plain);
    }

    internal static XElement Write(EntropyDevice entropy, DomainXmlOptions options) => new XElement("rng", new XAttribute("model", entropy.Model),
        XmlShape.Filled("rate", XmlShape.Attribute("bytes", entropy.RateBytes), XmlShape.Attribute("period", entropy.RatePeriodMs)),
        entropy.BackendXml is { } whole ? XmlShape.Whole(whole) : new XElement("backend", new XAttribute("model", entropy.BackendModel), entropy.Path),
        XmlShape.Filled("driver", DeviceInformationXml.WriteVirtio(entropy.Virtio))).Complete(entropy, options, ElementTable.Plain);
}
