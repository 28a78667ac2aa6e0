using System;
using System.Globalization;
using Hutch.Block.Formats;

namespace Hutch.Block.Options;

/// <summary>Values of options in their written form. Throws <see cref="ImageException"/>, with the name, for what cannot be read.</summary>
public static class OptionText
{
    private const string SizeHint = "Optional suffix k, M, G, T, P or E means kilo-, mega-, giga-, tera-, peta-\nand exabytes, respectively.";

    /// <summary>on or off.</summary>
    public static bool ReadSwitch(string name, string value) => value switch
    {
        "on" or "yes" or "true" or "y" => true,
        "off" or "no" or "false" or "n" => false,
        _ => throw new ImageException($"Parameter '{name}' expects 'on' or 'off'"),
    };

    /// <summary>A size in bytes.</summary>
    public static ulong ReadSize(string name, string value) => SizeText.Parse(value, out ulong bytes) switch
    {
        SizeError.None => bytes,
        SizeError.TooLarge => throw new ImageException($"Value '{value}' is out of range for parameter '{name}'"),
        _ => throw new ImageException($"Parameter '{name}' expects a non-negative number below 2^64", SizeHint),
    };

    /// <summary>A number.</summary>
    public static ulong ReadNumber(string name, string value)
    {
        // As C's strtoull has it: a negative number is what 2^64 leaves of it, which is too large for whatever asks.
        if (value.StartsWith('-') && ulong.TryParse(value.AsSpan(1), NumberStyles.None, CultureInfo.InvariantCulture, out ulong negative)) return unchecked(0 - negative);
        bool hex = value.StartsWith("0x", StringComparison.OrdinalIgnoreCase);
        if (ulong.TryParse(hex ? value.AsSpan(2) : value, hex ? NumberStyles.AllowHexSpecifier : NumberStyles.None, CultureInfo.InvariantCulture, out ulong number)) return number;
        throw new ImageException($"Parameter '{name}' expects a number");
    }
}
