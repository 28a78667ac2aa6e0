using System;
using System.Diagnostics;
using System.Globalization;
using System.IO;
using System.Linq;
using System.Text.RegularExpressions;
using Hutch.Cli.Guests;

namespace Hutch.Dev.Bench;

/// <summary>A program inside a guest (block-load.c) that puts a load on a disk. Times are the host's, from the line that the program prints at its beginning to the one at its end.</summary>
internal static partial class BlockLoad
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(180);

    /// <summary>An image filled with what no side can take for zeros.</summary>
    internal static string MakeImage(string folder, string format, long bytes)
    {
        string raw = Path.Combine(folder, "disk.raw"), image = Path.Combine(folder, $"disk.{format}");
        byte[] part = new byte[1 << 20];
        Random random = new(1);
        using (FileStream file = new(raw, FileMode.CreateNew))
        {
            for (long at = 0; at < bytes; at += part.Length)
            {
                random.NextBytes(part);
                file.Write(part);
            }
        }
        if (format == "raw") return raw;
        HostProgram.Run("qemu-img", ["convert", "-f", "raw", "-O", format, raw, image], folder);
        File.Delete(raw);
        return image;
    }

    /// <summary>Operations a second of one load; its parameters are those of block-load.c.</summary>
    internal static double Run(Guest guest, string device, string kind, int block, int depth, int seconds, long span)
    {
        guest.Send($"/tmp/block-load {device} {kind} {block} {depth} {seconds} {span}; echo lo''ad ended\n");
        bool began = guest.WaitFor($"BEGIN {kind}", Patience);
        long start = Stopwatch.GetTimestamp();
        bool ended = began && guest.WaitFor($"END {kind} ", Patience);
        double took = Stopwatch.GetElapsedTime(start).TotalSeconds;
        if (!ended || !guest.WaitFor("load ended", Patience)) throw new InvalidOperationException($"{kind} failed:\n{guest.Transcript}");
        return double.Parse(EndLine().Matches(guest.Transcript).Last().Groups[1].Value, CultureInfo.InvariantCulture) / took;
    }

    [GeneratedRegex(@"END \w+ (\d+) (\d+)")]
    private static partial Regex EndLine();
}
