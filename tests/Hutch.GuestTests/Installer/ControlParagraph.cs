using System;
using System.Collections.Generic;
using System.Linq;

namespace Hutch.GuestTests.Installer;

/// <summary>One paragraph of a Debian control file (deb-control(5)): a package in an index or in a list of what is installed.</summary>
internal sealed class ControlParagraph
{
    // In their order; the lines that continue a field are part of its value.
    private readonly List<(string Name, string Value)> _fields = [];

    /// <summary>The paragraphs of a file.</summary>
    internal static List<ControlParagraph> ReadAll(string text)
        => [.. text.Split("\n\n", StringSplitOptions.RemoveEmptyEntries).Select(Read).Where(static paragraph => paragraph.Package.Length > 0)];

    /// <summary>Reads one.</summary>
    internal static ControlParagraph Read(string text)
    {
        ControlParagraph paragraph = new();
        foreach (string line in text.Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            int colon = line.IndexOf(':', StringComparison.Ordinal);
            if (line[0] is ' ' or '\t') paragraph._fields[^1] = (paragraph._fields[^1].Name, $"{paragraph._fields[^1].Value}\n{line}");
            else if (colon > 0) paragraph._fields.Add((line[..colon], line[(colon + 1)..].Trim()));
        }
        return paragraph;
    }

    /// <summary>The package's name.</summary>
    internal string Package => this["Package"];

    /// <summary>Value of a field; empty when there is none. Setting an empty value takes the field away.</summary>
    internal string this[string name]
    {
        get => _fields.Find(field => field.Name == name).Value ?? "";
        set
        {
            _fields.RemoveAll(field => field.Name == name);
            if (value.Length > 0) _fields.Add((name, value));
        }
    }

    /// <inheritdoc/>
    public override string ToString() => string.Concat(_fields.Select(static field => $"{field.Name}: {field.Value}\n"));
}
