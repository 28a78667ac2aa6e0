using System.Globalization;
using Hutch.Block.Options;

namespace Hutch.Cli.Options;

/// <summary>Sizes of disks and rates: a number with K, M, G, T, P or E (powers of 1024), bytes without.</summary>
internal static class DiskSize
{
    /// <summary>Reads <c>[+]SIZE</c> and writes it in bytes. Throws <see cref="UserException"/>.</summary>
    internal static string Parse(string value)
    {
        bool more = value.StartsWith('+');
        return TryParse(more ? value[1..] : value, out long bytes)
            ? string.Create(CultureInfo.InvariantCulture, $"{(more ? "+" : "")}{bytes}")
            : throw OptionText.Bad("SIZE", value, "not a size; write bytes, or a number with K, M, G, T, P or E, for example 20G or +1G.");
    }

    /// <summary>Reads a size.</summary>
    internal static bool TryParse(string? value, out long bytes)
    {
        bool read = SizeText.Parse(value, out ulong number) == SizeError.None && number <= long.MaxValue && value![0] is not ('+' or ' ');
        bytes = read ? (long)number : 0;
        return read;
    }
}
