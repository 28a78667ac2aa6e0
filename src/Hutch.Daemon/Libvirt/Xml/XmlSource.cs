using System;
using System.Collections.Generic;
using System.Collections.Immutable;
using System.Globalization;
using System.Xml.Linq;
using Hutch.Management;

namespace Hutch.Daemon.Libvirt.Xml;

/// <summary>
/// An element that is being read. What is asked for counts as read; <see cref="Finish()"/> refuses what was never asked for, here and in all elements below that were handed out, so that nothing of a document is
/// dropped unnoticed. What is wrong throws <see cref="ManagementException"/>.
/// </summary>
internal sealed class XmlSource(XElement element)
{
    private readonly HashSet<string> _attributes = [];
    private readonly HashSet<XElement> _read = [];
    private readonly List<XmlSource> _below = [];
    private bool _finished;

    internal string Name => element.Name.LocalName;

    internal string Text => element.Value;

    /// <summary>The whole element as text; it counts as read.</summary>
    internal string Whole()
    {
        _finished = true;
        return XmlText.Line(element);
    }

    internal string? Attribute(string name)
    {
        _attributes.Add(name);
        return element.Attribute(name)?.Value;
    }

    internal string Required(string name) => Attribute(name) ?? throw Bad($"Missing required attribute '{name}' in element '{Name}'");

    /// <summary>One of some words.</summary>
    internal string? Word(string name, ReadOnlySpan<string> allowed)
    {
        if (Attribute(name) is not { } value) return null;
        return allowed.Contains(value) ? value : throw Invalid(name, value, $"one of {string.Join(", ", allowed.ToArray())}");
    }

    internal bool? YesNo(string name) => Word(name, ["yes", "no"]) is { } word ? word == "yes" : null;

    internal bool? OnOff(string name) => Word(name, ["on", "off"]) is { } word ? word == "on" : null;

    /// <summary>A number, decimal or hexadecimal after <c>0x</c>.</summary>
    internal ulong? Unsigned(string name, ulong most = ulong.MaxValue) => Attribute(name) is { } value ? ParseUnsigned(name, value, most) : null;

    internal uint? UInt(string name, uint most = uint.MaxValue) => (uint?)Unsigned(name, most);

    internal int? Int(string name, int least = 0, int most = int.MaxValue)
    {
        if (Attribute(name) is not { } value) return null;
        if (TryParse(value, out ulong number) && number <= int.MaxValue && (int)number >= least && (int)number <= most) return (int)number;
        if (int.TryParse(value, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out int signed) && signed >= least && signed <= most) return signed;
        throw Invalid(name, value, $"an integer from {least} to {most}");
    }

    private ulong ParseUnsigned(string name, string value, ulong most) =>
        TryParse(value, out ulong number) && number <= most ? number : throw Invalid(name, value, most == ulong.MaxValue ? "a non-negative integer" : $"an integer from 0 to {most}");

    private static bool TryParse(string value, out ulong number) => value.StartsWith("0x", StringComparison.OrdinalIgnoreCase)
        ? ulong.TryParse(value.AsSpan(2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out number)
        : ulong.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out number);

    /// <summary>The element's text as a number.</summary>
    internal ulong TextNumber(ulong most = ulong.MaxValue) =>
        TryParse(Text.Trim(), out ulong number) && number <= most ? number : throw Bad($"Invalid value '{Text.Trim()}' of element '{Name}': expected an integer from 0 to {most}");

    /// <summary>All attributes that were not asked for, as <c>name=value</c>; they count as read.</summary>
    internal ImmutableArray<string> OtherAttributes()
    {
        ImmutableArray<string>.Builder others = ImmutableArray.CreateBuilder<string>();
        foreach (XAttribute attribute in element.Attributes())
        {
            if (attribute.Name.Namespace == XNamespace.None && !attribute.IsNamespaceDeclaration && _attributes.Add(attribute.Name.LocalName))
                others.Add($"{attribute.Name.LocalName}={attribute.Value}");
        }
        return others.ToImmutable();
    }

    /// <summary>The first child of a name; another one would be refused.</summary>
    internal XmlSource? Child(string name)
    {
        if (element.Element(name) is not { } child || !_read.Add(child)) return null;
        XmlSource source = new(child);
        _below.Add(source);
        return source;
    }

    internal XmlSource RequiredChild(string name) => Child(name) ?? throw Bad($"missing element '{name}' in element '{Name}'");

    internal string? ChildText(string name) => Child(name)?.Text;

    internal bool Has(string name) => Child(name) is not null;

    internal IEnumerable<XmlSource> All(string name)
    {
        foreach (XElement child in element.Elements(name))
        {
            if (!_read.Add(child)) continue;
            XmlSource source = new(child);
            _below.Add(source);
            yield return source;
        }
    }

    /// <summary>All children in the order of the document.</summary>
    internal IEnumerable<XmlSource> Children()
    {
        foreach (XElement child in element.Elements())
        {
            if (child.Name.Namespace != XNamespace.None || !_read.Add(child)) continue;
            XmlSource source = new(child);
            _below.Add(source);
            yield return source;
        }
    }

    /// <summary>The texts of all children, whatever they are; they count as read.</summary>
    internal ImmutableArray<string> ChildTexts()
    {
        ImmutableArray<string>.Builder texts = ImmutableArray.CreateBuilder<string>();
        foreach (XElement child in element.Elements())
        {
            _read.Add(child);
            texts.Add(XmlText.Line(child));
        }
        return texts.ToImmutable();
    }

    /// <summary>Ends the reading of an element that keeps nothing.</summary>
    internal void Finish() => _ = Finish(ElementTable.None);

    /// <summary>Ends the reading: what was not asked for and is not to be kept is refused. Returns what is kept.</summary>
    internal ImmutableArray<string> Finish(ElementTable table)
    {
        _finished = true;
        foreach (XmlSource below in _below)
            if (!below._finished) below.Finish();
        foreach (XAttribute attribute in element.Attributes())
        {
            if (attribute.IsNamespaceDeclaration || (attribute.Name.Namespace == XNamespace.None && _attributes.Contains(attribute.Name.LocalName))) continue;
            throw Unsupported($"the attribute '{attribute.Name.LocalName}' of <{Name}>{Place} is not supported");
        }
        ImmutableArray<string>.Builder kept = ImmutableArray.CreateBuilder<string>();
        foreach (XElement child in element.Elements())
        {
            if (_read.Contains(child)) continue;
            if (child.Name.Namespace != XNamespace.None || !table.Keeps(child.Name.LocalName))
                throw Unsupported($"the element <{DisplayName(child)}> in <{Name}>{Place} is not supported{(element.Element(child.Name) != child ? " more than once" : "")}");
            kept.Add(XmlText.Line(child));
        }
        return kept.ToImmutable();
    }

    private string Place => element.Parent is { } parent ? $" of <{parent.Name.LocalName}>" : "";

    private static string DisplayName(XElement child) => child.GetPrefixOfNamespace(child.Name.Namespace) is { } prefix ? $"{prefix}:{child.Name.LocalName}" : child.Name.LocalName;

    private ManagementException Invalid(string name, string value, string expected) => Bad($"Invalid value for attribute '{name}' in element '{Name}': '{value}'. Expected {expected}");

    internal static ManagementException Bad(string message) => new(FailureKind.BadDocument, message);

    internal static ManagementException Unsupported(string message) => new(FailureKind.Unsupported, message);
}
