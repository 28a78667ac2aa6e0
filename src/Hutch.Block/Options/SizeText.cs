using System;
using System.Globalization;

namespace Hutch.Block.Options;

/// <summary>How a size could not be read.</summary>
public enum SizeError
{
    /// <summary>It was read.</summary>
    None,

    /// <summary>It is no size.</summary>
    Invalid,

    /// <summary>It is one, and too large.</summary>
    TooLarge,
}

/// <summary>Sizes as people write them: 1024, 64k, 1.5G, 0x200. Units are powers of 1024; b and B are bytes.</summary>
public static class SizeText
{
    /// <summary>Reads a size; <paramref name="unitBytes"/> is what a number without a suffix counts.</summary>
    public static SizeError Parse(ReadOnlySpan<char> text, out ulong bytes, ulong unitBytes = 1)
    {
        bytes = 0;
        int at = 0;
        while (at < text.Length && char.IsWhiteSpace(text[at])) at++;
        text = text[at..];
        if (text.StartsWith("+", StringComparison.Ordinal)) text = text[1..];
        bool hex = text.StartsWith("0x", StringComparison.OrdinalIgnoreCase);
        int digits = hex ? 2 : 0;
        while (digits < text.Length && (hex ? char.IsAsciiHexDigit(text[digits]) : char.IsAsciiDigit(text[digits]))) digits++;
        UInt128 whole = 0;
        foreach (char digit in text[(hex ? 2 : 0)..digits])
        {
            whole = (whole * (hex ? 16u : 10u)) + (uint)(char.IsAsciiDigit(digit) ? digit - '0' : (digit | 0x20) - 'a' + 10);
            if (whole > ulong.MaxValue) return SizeError.TooLarge;
        }
        if (digits == (hex ? 2 : 0) && !(digits < text.Length && text[digits] == '.')) return SizeError.Invalid;
        ReadOnlySpan<char> rest = text[digits..];
        double fraction = 0;
        if (!hex && rest.Length > 0 && rest[0] == '.')
        {
            int end = 1;
            while (end < rest.Length && char.IsAsciiDigit(rest[end])) end++;
            if (end == 1 && digits == 0) return SizeError.Invalid;
            if (end > 1) fraction = double.Parse(rest[..end], NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture);
            rest = rest[end..];
        }
        if (rest.Length > 1) return SizeError.Invalid;
        ulong unit = rest.Length == 0 ? unitBytes : UnitOf(rest[0]);
        if (unit == 0 || (fraction != 0 && unit == 1)) return SizeError.Invalid;
        UInt128 product = (whole * unit) + (UInt128)(fraction * unit);
        if (product > ulong.MaxValue) return SizeError.TooLarge;
        bytes = (ulong)product;
        return SizeError.None;
    }

    // 0 for what is no unit. A hexadecimal number takes b and B as digits, so that they never come here as units.
    private static ulong UnitOf(char suffix) => char.ToUpperInvariant(suffix) switch
    {
        'B' => 1,
        'K' => 1UL << 10,
        'M' => 1UL << 20,
        'G' => 1UL << 30,
        'T' => 1UL << 40,
        'P' => 1UL << 50,
        'E' => 1UL << 60,
        _ => 0,
    };
}
