using System;
using System.Globalization;

namespace Hutch.Cli.Image;

/// <summary>Sizes in units of 1024.</summary>
internal static class HumanSize
{
    private static readonly string[] Prefixes = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];

    /// <summary>Three digits: 64 MiB, 1.5 KiB, 0.977 GiB from 1000 MiB on.</summary>
    internal static string Short(long bytes)
    {
        int unit = 0;
        // The next unit begins at 1000 of this one, so that three digits are enough.
        double value = bytes;
        while (unit < 6 && value >= 1000 && Math.Abs(value) >= 1000)
        {
            value /= 1024;
            unit++;
        }
        return $"{ThreeDigits(value)} {Prefixes[unit]}B";
    }

    /// <summary>Three decimals, none where there are none: 64 KiB, 2.500 KiB, 512 bytes.</summary>
    internal static string Exact(double bytes)
    {
        for (int unit = 6; unit > 0; unit--)
        {
            double size = Math.Pow(2, unit * 10);
            if (bytes >= size) return $"{Trim((bytes / size).ToString("F3", CultureInfo.InvariantCulture))} {Prefixes[unit]}B";
        }
        return $"{Trim(bytes.ToString("F3", CultureInfo.InvariantCulture))} bytes";
    }

    private static string Trim(string number) => number.EndsWith(".000", StringComparison.Ordinal) ? number[..^4] : number;

    private static string ThreeDigits(double value)
    {
        if (value == 0) return "0";
        int digits = Math.Max(0, 2 - (int)Math.Floor(Math.Log10(Math.Abs(value))));
        string text = Math.Round(value, Math.Min(15, digits), MidpointRounding.ToEven).ToString($"F{Math.Min(15, digits)}", CultureInfo.InvariantCulture);
        return text.Contains('.', StringComparison.Ordinal) ? text.TrimEnd('0').TrimEnd('.') : text;
    }
}
