using System.Collections.Generic;
using Hutch.Block.Options;

namespace Hutch.Block.Formats;

/// <summary>Reads creation options in their written form.</summary>
internal static class OptionText
{
    /// <summary>A switch. Throws <see cref="ImageException"/> for anything but on and off.</summary>
    internal static bool IsOn(IReadOnlyDictionary<string, string> options, string name, bool ifAbsent) => options.GetValueOrDefault(name) switch
    {
        null => ifAbsent,
        "on" => true,
        "off" => false,
        _ => throw new ImageException($"Parameter '{name}' expects 'on' or 'off'"),
    };

    /// <summary>A size in bytes. Throws <see cref="ImageException"/> for what is none.</summary>
    internal static long Size(IReadOnlyDictionary<string, string> options, string name, long ifAbsent)
    {
        if (!options.TryGetValue(name, out string? text)) return ifAbsent;
        return SizeText.Parse(text, out ulong bytes) switch
        {
            SizeError.None when bytes <= long.MaxValue => (long)bytes,
            SizeError.Invalid => throw new ImageException($"Parameter '{name}' expects a non-negative number below 2^64", "Optional suffix k, M, G, T, P or E means kilo-, mega-, giga-, tera-, peta-\nand exabytes, respectively."),
            _ => throw new ImageException($"Value '{text}' is out of range for parameter '{name}'"),
        };
    }
}
