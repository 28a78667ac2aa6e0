using System;
using System.Collections.Generic;
using System.Globalization;
using System.Text;
using Hutch.Block.Formats;

namespace Hutch.Cli.Image;

/// <summary>The table of an image's snapshots.</summary>
internal static class SnapshotTable
{
    /// <summary>A line of names and one for each snapshot.</summary>
    internal static string Of(IReadOnlyList<ImageSnapshot> snapshots)
    {
        StringBuilder text = new();
        Append(text, "ID", "TAG", "VM SIZE", "DATE", "VM CLOCK", "ICOUNT");
        foreach (ImageSnapshot snapshot in snapshots)
        {
            DateTime date = DateTimeOffset.FromUnixTimeSeconds(Math.Clamp(snapshot.DateSeconds, 0, 253402300799)).LocalDateTime;
            long clock = snapshot.VmClockNanoseconds / 1_000_000;
            Append(text, snapshot.Id, snapshot.Name, HumanSize.Short(snapshot.VmStateBytes), date.ToString("yyyy-MM-dd HH:mm:ss", CultureInfo.InvariantCulture),
                string.Create(CultureInfo.InvariantCulture, $"{clock / 3_600_000:00}:{clock / 60_000 % 60:00}:{clock / 1000 % 60:00}.{clock % 1000:000}"),
                snapshot.Icount >= 0 ? snapshot.Icount.ToString(CultureInfo.InvariantCulture) : "");
        }
        return text.ToString();
    }

    private static void Append(StringBuilder text, string id, string tag, string size, string date, string clock, string icount) =>
        text.Append(CultureInfo.InvariantCulture, $"{id,-9} {tag,-16} {size,8}{date,20}{clock,13}{icount,11}\n");
}
