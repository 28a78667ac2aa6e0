using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.Globalization;
using System.IO;
using System.Threading.Tasks;
using Hutch.Block;
using Hutch.Block.Formats;
using Hutch.Block.Graph;
using Hutch.Dev.Iotests;
using Hutch.Host.Files;

namespace Hutch.Dev.Bench;

/// <summary>
/// Writes of 4 KiB at random into a qcow2 image that was just made, past the page cache, by our block layer and by <c>qemu-img bench</c> in turn: nearly each takes
/// a new cluster. Both sides are timed from the opening until the image is closed.
/// </summary>
internal static class FreshWriteBench
{
    private const long DiskBytes = 4L << 30;
    private const int Count = 20_000, Depth = 32, Rounds = 3;
    private const double Goal = 3;

    /// <summary>Runs, in a folder on a disk, with io_uring on both sides, and prints a line.</summary>
    internal static void Run(string folder)
    {
        string file = Path.Combine(folder, $"hutch-bench-{Environment.ProcessId}.qcow2");
        List<double> ours = [], theirs = [], ratios = [];
        try
        {
            // What the runtime compiles on the way is not what is measured.
            _ = Ours(file).GetAwaiter().GetResult();
            for (int round = 0; round < Rounds; round++)
            {
                ours.Add(Ours(file).GetAwaiter().GetResult());
                theirs.Add(Theirs(file));
                ratios.Add(ours[^1] / theirs[^1]);
            }
        }
        finally
        {
            File.Delete(file);
        }
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"disk  write d{Depth} none, fresh qcow2: {Statistics.Median(ours):F0}/s | {Statistics.Median(theirs):F0}/s, ratio {Statistics.Median(ratios):F2} (goal {Goal:F2})"));
    }

    private static async Task<double> Ours(string file)
    {
        Create(file);
        using NativeBuffer memory = new(RandomLoad.BlockBytes * Depth);
        long start = Stopwatch.GetTimestamp();
        await using (ImageNode node = await BlockGraph.OpenAsync(new BlockOpenRequest { Filename = file, Format = "qcow2", Cache = CacheMode.None, Aio = AioMode.IoUring, ContinuesInline = true }, default))
        {
            await RandomLoad.RunAsync(node, write: true, memory, DiskBytes, Depth, Count);
        }
        return Count / Stopwatch.GetElapsedTime(start).TotalSeconds;
    }

    private static double Theirs(string file)
    {
        Create(file);
        long start = Stopwatch.GetTimestamp();
        Shell.Must(Path.GetDirectoryName(file)!, "qemu-img", "bench", "-f", "qcow2", "-w", "-c", $"{Count}", "-d", $"{Depth}", "-s", "4k", "-S", $"{RandomLoad.StepBytes}", "-t", "none", "-i", "io_uring", file);
        return Count / Stopwatch.GetElapsedTime(start).TotalSeconds;
    }

    // Both sides begin with an image that QEMU made with its own choices.
    private static void Create(string file)
    {
        File.Delete(file);
        Shell.Must(Path.GetDirectoryName(file)!, "qemu-img", "create", "-q", "-f", "qcow2", file, $"{DiskBytes}");
    }
}
