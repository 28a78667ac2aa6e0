using System.Collections.Generic;
using System.Xml.Linq;

namespace Hutch.Daemon.Libvirt.Xml;

/// <summary>Parts of what is printed. What has no value is null, which an <see cref="XElement"/> leaves out.</summary>
internal static class XmlShape
{
    internal static XAttribute? Attribute(string name, object? value) => value is null ? null : new XAttribute(name, value);

    internal static XAttribute? YesNo(string name, bool? value) => value is { } said ? new XAttribute(name, said ? "yes" : "no") : null;

    internal static XAttribute? OnOff(string name, bool? value) => value is { } said ? new XAttribute(name, said ? "on" : "off") : null;

    /// <summary>An element with text.</summary>
    internal static XElement? Text(string name, object? text) => text is null ? null : new XElement(name, text);

    /// <summary>An element without anything, where it is to be.</summary>
    internal static XElement? Flag(string name, bool isThere) => isThere ? new XElement(name) : null;

    /// <summary>An element, unless it would have nothing.</summary>
    internal static XElement? Filled(string name, params object?[] content)
    {
        XElement element = new(name, content);
        return element.HasAttributes || element.FirstNode is not null ? element : null;
    }

    /// <summary>An amount with its unit.</summary>
    internal static XElement Kib(string name, ulong value) => new(name, new XAttribute("unit", "KiB"), value);

    /// <summary>What was kept as text.</summary>
    internal static XElement? Whole(string? text) => text is null ? null : XmlText.Parse(text, "kept");

    /// <summary>Attributes that were kept as <c>name=value</c>.</summary>
    internal static IEnumerable<XAttribute> Attributes(IEnumerable<string> kept)
    {
        foreach (string attribute in kept)
        {
            int equals = attribute.IndexOf('=', System.StringComparison.Ordinal);
            if (equals > 0) yield return new XAttribute(attribute[..equals], attribute[(equals + 1)..]);
        }
    }
}
