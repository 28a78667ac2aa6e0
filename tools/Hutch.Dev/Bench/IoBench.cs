using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.Globalization;
using System.IO;
using System.Runtime.InteropServices;
using System.Threading.Tasks;
using Hutch.Block.Files;
using Hutch.Block.Formats.Raw;
using Hutch.Block.Graph;
using Hutch.Host.Files;

namespace Hutch.Dev.Bench;

/// <summary>
/// Random reads and writes of 4 KiB through our block layer and through <c>qemu-img bench</c>, in turn, on the same file: CPU time of an operation and operations a
/// second, medians.
/// </summary>
internal sealed partial class IoBench
{
    private const long FileBytes = 1L << 30;
    private const int Rounds = 3, Self = 0, Children = -1;

    private sealed record Case(string Where, bool Write, int Depth, CacheMode Cache, AioMode Aio, bool Inline, int Count)
    {
        internal string Name => $"{Where,-6}{(Write ? "write" : "read"),-6}d{Depth,-3}{Cache switch { CacheMode.None => "none", _ => "writeback" },-10}{(Aio == AioMode.Threads ? "threads" : "io_uring"),-9}{(Inline ? "inline" : "pool"),-7}";
    }

    /// <summary>Runs all cases and prints a line for each.</summary>
    /// <param name="folder">A folder on a disk; made if it is not there.</param>
    internal static int Run(string folder)
    {
        Console.WriteLine("4 KiB at random in 1 GiB, raw: median CPU us/operation and operations/s, ours | qemu-img bench; 'inline' goes on on the engine's thread, 'pool' on the thread pool");
        Dictionary<string, string> files = new() { ["tmpfs"] = $"/dev/shm/hutch-bench-{Environment.ProcessId}.raw", ["disk"] = Path.Combine(folder, $"hutch-bench-{Environment.ProcessId}.raw") };
        Directory.CreateDirectory(folder);
        try
        {
            foreach (string file in files.Values) Fill(file);
            foreach (Case one in Cases()) Compare(one, files[one.Where]);
            FreshWriteBench.Run(folder);
        }
        finally
        {
            foreach (string file in files.Values) File.Delete(file);
        }
        return 0;
    }

    private static IEnumerable<Case> Cases()
    {
        foreach (AioMode aio in (AioMode[])[AioMode.IoUring, AioMode.Threads])
        {
            yield return new Case("tmpfs", false, 1, CacheMode.Writeback, aio, false, 100_000);
            yield return new Case("tmpfs", false, 32, CacheMode.Writeback, aio, false, 100_000);
            yield return new Case("tmpfs", true, 32, CacheMode.Writeback, aio, false, 100_000);
            yield return new Case("disk", false, 1, CacheMode.Writeback, aio, false, 100_000);
            yield return new Case("disk", false, 32, CacheMode.Writeback, aio, false, 100_000);
            yield return new Case("disk", false, 1, CacheMode.None, aio, true, 10_000);
            yield return new Case("disk", false, 32, CacheMode.None, aio, true, 30_000);
            yield return new Case("disk", false, 32, CacheMode.None, aio, false, 30_000);
            yield return new Case("disk", true, 32, CacheMode.None, aio, true, 30_000);
        }
    }

    private static void Compare(Case one, string file)
    {
        List<(double Cpu, double Rate)> ours = [], theirs = [];
        for (int round = 0; round < Rounds; round++)
        {
            ours.Add(Ours(one, file).GetAwaiter().GetResult());
            theirs.Add(Theirs(one, file));
        }
        Console.WriteLine($"{one.Name}{Show(ours)}  | {Show(theirs)}");
    }

    private static string Show(List<(double Cpu, double Rate)> runs) => string.Create(CultureInfo.InvariantCulture,
        $"{Statistics.Median(runs.ConvertAll(run => run.Cpu)),7:F2} us {Statistics.Median(runs.ConvertAll(run => run.Rate)),9:F0}/s");

    private static async Task<(double Cpu, double Rate)> Ours(Case one, string file)
    {
        await using RawNode node = new(FileNode.Open(file, new FileOpenOptions { ReadOnly = !one.Write, Cache = one.Cache, Aio = one.Aio, ContinuesInline = one.Inline }));
        using NativeBuffer memory = new(RandomLoad.BlockBytes * one.Depth);
        // What the runtime compiles on the way is not what is measured.
        await RandomLoad.RunAsync(node, one.Write, memory, FileBytes, one.Depth, one.Count / 4);
        double before = CpuMicroseconds(Self);
        long start = Stopwatch.GetTimestamp();
        await RandomLoad.RunAsync(node, one.Write, memory, FileBytes, one.Depth, one.Count);
        return ((CpuMicroseconds(Self) - before) / one.Count, one.Count / Stopwatch.GetElapsedTime(start).TotalSeconds);
    }

    private static (double Cpu, double Rate) Theirs(Case one, string file)
    {
        List<string> arguments =
        [
            "bench", "-f", "raw", "-c", $"{one.Count}", "-d", $"{one.Depth}", "-s", "4k", "-S", $"{RandomLoad.StepBytes}", "-t", one.Cache == CacheMode.None ? "none" : "writeback",
            "-i", one.Aio == AioMode.Threads ? "threads" : "io_uring",
        ];
        if (one.Write) arguments.Add("-w");
        double before = CpuMicroseconds(Children);
        long start = Stopwatch.GetTimestamp();
        using Process process = Process.Start(new ProcessStartInfo("qemu-img", [.. arguments, file]) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        string text = process.StandardError.ReadToEnd();
        process.WaitForExit();
        if (process.ExitCode != 0) throw new InvalidOperationException($"qemu-img bench failed: {text}");
        return ((CpuMicroseconds(Children) - before) / one.Count, one.Count / Stopwatch.GetElapsedTime(start).TotalSeconds);
    }

    private static void Fill(string path)
    {
        byte[] data = new byte[1 << 20];
        new Random(1).NextBytes(data);
        using FileStream file = File.Create(path);
        for (long written = 0; written < FileBytes; written += data.Length) file.Write(data);
        file.Flush(flushToDisk: true);
    }

    private static double CpuMicroseconds(int who)
    {
        if (GetUsage(who, out ResourceUsage usage) != 0) throw new InvalidOperationException("getrusage failed.");
        return ((usage.UserSeconds + usage.SystemSeconds) * 1e6) + usage.UserMicroseconds + usage.SystemMicroseconds;
    }

    [LibraryImport("libc", EntryPoint = "getrusage")]
    private static partial int GetUsage(int who, out ResourceUsage usage);

    /// <summary>struct rusage (getrusage(2)), 144 bytes.</summary>
    [StructLayout(LayoutKind.Sequential, Size = 144)]
    private struct ResourceUsage
    {
        internal long UserSeconds;
        internal long UserMicroseconds;
        internal long SystemSeconds;
        internal long SystemMicroseconds;
    }
}
