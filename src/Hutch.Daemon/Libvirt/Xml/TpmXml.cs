using System.Linq;
using System.Xml.Linq;
using Hutch.Model.Domains;

namespace Hutch.Daemon.Libvirt.Xml;

/// <summary><c>tpm</c>.</summary>
internal static class TpmXml
{
    internal static TpmDevice Read(XmlSource source)
    {
        XmlSource backend = source.Child("backend") ?? throw XmlSource.Bad("missing TPM device backend: the element <backend>");
        TpmDevice tpm = new()
        {
            Model = source.Word("model", ["tpm-tis", "tpm-crb", "tpm-spapr", "spapr-tpm-proxy"]),
            BackendType = backend.Word("type", ["passthrough", "emulator", "external"]) ?? throw XmlSource.Bad("missing TPM device backend type: the attribute 'type' of <backend>"),
            Version = backend.Word("version", ["1.2", "2.0"]),
            PersistentState = backend.YesNo("persistent_state"),
        };
        return source.Complete(tpm with { BackendKept = backend.Finish(ElementTable.TpmBackend) }, ElementTable.Tpm);
    }

    internal static XElement Write(TpmDevice tpm, DomainXmlOptions options) => new XElement("tpm", XmlShape.Attribute("model", tpm.Model),
        new XElement("backend", new XAttribute("type", tpm.BackendType), XmlShape.Attribute("version", tpm.Version), XmlShape.YesNo("persistent_state", tpm.PersistentState), tpm.BackendKept.Select(XmlShape.Whole)))
        .Complete(tpm, options, ElementTable.Tpm);
}
