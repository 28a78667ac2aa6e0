using System.Globalization;

namespace Hutch.Cli.Doctor;

/// <summary>Writes amounts of memory for people.</summary>
internal static class Amount
{
    /// <summary>Bytes as GiB with one digit, MiB or KiB.</summary>
    internal static string Of(ulong bytes) => bytes switch
    {
        >= 10UL << 30 => $"{bytes >> 30} GiB",
        >= 1UL << 30 => string.Create(CultureInfo.InvariantCulture, $"{bytes / (double)(1UL << 30):0.0} GiB"),
        >= 1UL << 20 => $"{bytes >> 20} MiB",
        _ => $"{bytes >> 10} KiB",
    };

    /// <summary>A limit: an amount, or that there is none.</summary>
    internal static string OfLimit(ulong bytes) => bytes == ulong.MaxValue ? "unlimited" : Of(bytes);
}
