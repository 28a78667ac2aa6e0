using System;
using System.Collections.Generic;
using System.Globalization;
using System.Text;
using Hutch.Model.Machine;

namespace Hutch.Cli.Options;

/// <summary>Reads the comma-separated values of options: <c>HEAD[,key=value|flag]...</c>.</summary>
internal static class OptionText
{
    /// <summary>The error for a value that is not understood.</summary>
    internal static UserException Bad(string option, string value, string cause) => new($"{option} '{value}': {cause}", ExitStatus.Usage);

    /// <summary>Splits at commas; a doubled comma is a comma of the text, so that every path can be written.</summary>
    internal static List<string> Split(string value)
    {
        List<string> parts = [];
        StringBuilder part = new();
        for (int i = 0; i < value.Length; i++)
        {
            if (value[i] != ',') part.Append(value[i]);
            else if (i + 1 < value.Length && value[i + 1] == ',')
            {
                part.Append(',');
                i++;
            }
            else
            {
                parts.Add(part.ToString());
                part.Clear();
            }
        }
        parts.Add(part.ToString());
        return parts;
    }

    /// <summary>Writes text so that <see cref="Split"/> gives it back.</summary>
    internal static string Escape(string text) => text.Replace(",", ",,", StringComparison.Ordinal);

    /// <summary>Splits <c>key=value</c>; a key alone has the value null.</summary>
    internal static (string Key, string? Value) KeyValue(string part)
    {
        int equals = part.IndexOf('=');
        return equals < 0 ? (part, null) : (part[..equals], part[(equals + 1)..]);
    }

    /// <summary>Reads a decimal or 0x-prefixed number of at most <paramref name="maximum"/>.</summary>
    internal static bool TryNumber(string? text, uint maximum, out uint number)
    {
        number = 0;
        if (text is null) return false;
        bool read = text.StartsWith("0x", StringComparison.OrdinalIgnoreCase)
            ? uint.TryParse(text.AsSpan(2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out number)
            : uint.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out number);
        return read && number <= maximum;
    }
}
