using System;
using System.Globalization;
using Hutch.Model.Machine;

namespace Hutch.Cli.Options;

/// <summary>
/// The value of <c>--memory</c>: a number with the suffix K, M, G or T (powers of 1024); without a suffix it counts MiB. <c>,max=SIZE</c> is what can be had while the machine runs.
/// </summary>
internal static class MemorySize
{
    /// <summary>What a machine has when nothing is said.</summary>
    internal const ulong DefaultBytes = 512UL << 20;

    /// <summary>The VM process refuses less; said here, it is said before anything is downloaded.</summary>
    internal const ulong MinimumBytes = 16UL << 20;

    // Guests take memory in blocks of this size.
    private const ulong PluggableUnit = 128UL << 20;

    /// <summary>Reads <c>SIZE[,max=SIZE]</c>. Throws <see cref="UserException"/>.</summary>
    /// <returns>What the machine starts with, and what can be plugged in besides, in bytes.</returns>
    internal static (ulong Bytes, ulong PluggableBytes) ParseGrowing(string value, ulong hostBytes)
    {
        const string Max = "max=";
        string[] parts = value.Split(',');
        if (parts.Length == 1) return (Parse(value, hostBytes), 0);
        if (parts.Length != 2 || !parts[1].StartsWith(Max, StringComparison.Ordinal) || !TryParse(parts[1][Max.Length..], out ulong most))
            throw OptionText.Bad("--memory", value, "write SIZE or SIZE,max=SIZE, for example 512M,max=4G.");
        ulong bytes = Parse(parts[0], hostBytes);
        if (most < bytes) throw OptionText.Bad("--memory", value, "max is less than what the machine starts with.");
        if (most > hostBytes) throw new UserException($"--memory '{value}': this host has only {hostBytes >> 20}M in all; choose a smaller max.", ExitStatus.BadConfiguration);
        return (bytes, (most - bytes + (PluggableUnit - 1)) & ~(PluggableUnit - 1));
    }

    /// <summary>Reads the size in bytes. <paramref name="hostBytes"/> is what the host has in all. Throws <see cref="UserException"/>.</summary>
    internal static ulong Parse(string value, ulong hostBytes)
    {
        ulong bytes = Parse(value);
        if (bytes < MinimumBytes)
            throw new UserException($"--memory '{value}': too small; a machine needs at least 16M, a Linux guest about 128M.", ExitStatus.BadConfiguration);
        if (bytes > hostBytes)
            throw new UserException($"--memory '{value}': this host has only {hostBytes >> 20}M in all; choose less.", ExitStatus.BadConfiguration);
        return bytes;
    }

    /// <summary>Reads a size of any machine. Throws <see cref="UserException"/>.</summary>
    internal static ulong Parse(string value) => TryParse(value, out ulong bytes)
        ? bytes
        : throw OptionText.Bad("--memory", value, "not a size; write a number with K, M, G or T, for example 512M.");

    /// <summary>As <see cref="Parse(string)"/>, without a message.</summary>
    internal static bool TryParse(string value, out ulong bytes)
    {
        bytes = 0;
        ReadOnlySpan<char> text = value;
        if (text.EndsWith("iB", StringComparison.OrdinalIgnoreCase)) text = text[..^2];
        else if (text.Length > 1 && text[^1] is 'B' or 'b' && char.IsLetter(text[^2])) text = text[..^1];
        int shift = 20;
        if (text.Length > 0 && !char.IsAsciiDigit(text[^1]))
        {
            shift = char.ToUpperInvariant(text[^1]) switch { 'K' => 10, 'M' => 20, 'G' => 30, 'T' => 40, _ => -1 };
            if (shift < 0) return false;
            text = text[..^1];
        }
        if (!ulong.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out ulong number)) return false;
        if (number > ulong.MaxValue >> shift) bytes = ulong.MaxValue & ~4095UL;
        else bytes = (number << shift) + 4095 & ~4095UL;
        return true;
    }
}
