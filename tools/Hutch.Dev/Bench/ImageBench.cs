using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.Globalization;
using System.IO;
using System.Linq;
using System.Text;

namespace Hutch.Dev.Bench;

/// <summary>
/// Conversions of a half-full ext4 image on tmpfs with <c>hutch img</c> and with qemu-img, in turn: medians of wall and CPU seconds and their ratios. CPU time is that
/// of the process and its threads, from the kernel (wait4 by way of bash's times).
/// </summary>
internal sealed class ImageBench(string root)
{
    private const int ImageMegabytes = 4096, UsedMegabytes = 2048;

    // qemu-img 7.2 times its key derivation by the thread's CPU clock and gives up when the clock has not moved: on some machines that is more often than not.
    private const string Unlucky = "Unable to get accurate CPU usage";
    private const int MostAttempts = 30;

    private sealed record Case(string Name, string[] Ours, string[][] Theirs, double?[] WallGoals, double? CpuGoal = null);

    private sealed record Measure(double Wall, double Cpu);

    /// <summary>Runs <paramref name="runs"/> of each case whose name contains <paramref name="word"/>.</summary>
    internal int Run(int runs, string word)
    {
        if (!File.Exists("/usr/bin/qemu-img")) throw new InvalidOperationException("qemu-img is missing; install the package qemu-utils.");
        using ScratchFolder folder = new("hutch-bench-img");
        Prepare(folder.Path);
        foreach (Case each in Cases().Where(c => c.Name.Contains(word, StringComparison.Ordinal))) RunCase(each, folder.Path, runs);
        return 0;
    }

    private static IEnumerable<Case> Cases()
    {
        yield return new("qcow2 -> zlib qcow2", ["convert", "-c", "-O", "qcow2", "src.qcow2", "out"],
            [["convert", "-c", "-O", "qcow2", "src.qcow2", "out"], ["convert", "-c", "-m", "8", "-W", "-O", "qcow2", "src.qcow2", "out"]], [0.25, 0.4]);
        yield return new("qcow2 -> zstd qcow2", ["convert", "-c", "-o", "compression_type=zstd", "-O", "qcow2", "src.qcow2", "out"],
            [["convert", "-c", "-o", "compression_type=zstd", "-O", "qcow2", "src.qcow2", "out"], ["convert", "-c", "-m", "8", "-W", "-o", "compression_type=zstd", "-O", "qcow2", "src.qcow2", "out"]], [0.55, 0.85]);
        yield return new("zlib qcow2 -> raw", ["convert", "-O", "raw", "zlib.qcow2", "out"], [["convert", "-O", "raw", "zlib.qcow2", "out"]], [0.5]);
        yield return new("raw -> LUKS qcow2", [.. Luks, "-f", "raw", "-O", "qcow2", "src.raw", "out"], [[.. Luks, "-f", "raw", "-O", "qcow2", "src.raw", "out"]], [0.4]);
        yield return new("raw -> qcow2", ["convert", "-f", "raw", "-O", "qcow2", "src.raw", "out"], [["convert", "-f", "raw", "-O", "qcow2", "src.raw", "out"]], [1.0], 1.0);
        yield return new("qcow2 -> raw", ["convert", "-O", "raw", "src.qcow2", "out"], [["convert", "-O", "raw", "src.qcow2", "out"]], [1.0], 1.0);
    }

    private static string[] Luks => ["convert", "--object", "secret,id=s0,data=abc", "-o", "encrypt.format=luks,encrypt.key-secret=s0"];

    private void Prepare(string folder)
    {
        // Programs, libraries and documents of this host until half is full.
        Must(folder, "/bin/sh", "-c", $"truncate -s {ImageMegabytes}M src.raw && mkdir tree && find /usr -xdev -type f -printf '%s %p\\n' | sort -k 2 "
            + $"| awk '$1 < 1e8 && (sum += $1) < {UsedMegabytes}e6 {{ print substr($0, index($0, \" \") + 1) }}' | tar -c -T - 2>/dev/null | tar -x -C tree "
            + "&& mke2fs -q -F -t ext4 -d tree src.raw && rm -rf tree");
        Must(folder, "/usr/bin/qemu-img", "convert", "-f", "raw", "-O", "qcow2", "src.raw", "src.qcow2");
        Must(folder, Path.Combine(root, "hutch"), "img", "convert", "-c", "-O", "qcow2", "src.qcow2", "zlib.qcow2");
        Console.WriteLine($"image: {ImageMegabytes} MiB ext4, {new FileInfo(Path.Combine(folder, "src.qcow2")).Length >> 20} MiB as qcow2, {new FileInfo(Path.Combine(folder, "zlib.qcow2")).Length >> 20} MiB with zlib");
    }

    private void RunCase(Case each, string folder, int runs)
    {
        string hutch = Path.Combine(root, "build", "current", "cli", "hutch");
        List<Measure> ours = [];
        List<Measure>[] theirs = [.. each.Theirs.Select(_ => new List<Measure>())];
        for (int run = 0; run < runs; run++)
        {
            ours.Add(Once(folder, hutch, ["img", .. each.Ours]));
            for (int i = 0; i < theirs.Length; i++) theirs[i].Add(Once(folder, "/usr/bin/qemu-img", each.Theirs[i]));
        }
        (double wall, double cpu) = (Median(ours, m => m.Wall), Median(ours, m => m.Cpu));
        StringBuilder line = new();
        line.Append(CultureInfo.InvariantCulture, $"{each.Name,-20} hutch {wall:F2} s wall {cpu:F2} s CPU");
        for (int i = 0; i < theirs.Length; i++)
        {
            (double theirWall, double theirCpu) = (Median(theirs[i], m => m.Wall), Median(theirs[i], m => m.Cpu));
            string options = each.Theirs[i].Contains("-W") ? "-m 8 -W" : "default";
            line.Append(CultureInfo.InvariantCulture, $"; qemu-img {options} {theirWall:F2} s {theirCpu:F2} s, wall ratio {wall / theirWall:F2} (goal {each.WallGoals[i]:F2}), CPU ratio {cpu / theirCpu:F2}");
            if (each.CpuGoal is double goal) line.Append(CultureInfo.InvariantCulture, $" (goal {goal:F2})");
        }
        Console.WriteLine(line);
    }

    private static double Median(IEnumerable<Measure> measures, Func<Measure, double> of) => Statistics.Median(measures.Select(of));

    private static Measure Once(string folder, string program, string[] arguments)
    {
        ProcessStartInfo start = new("/bin/bash", ["-c", "TIMEFORMAT='%R %U %S'; time \"$@\"", "bash", program, .. arguments]) { WorkingDirectory = folder, RedirectStandardError = true };
        string text;
        for (int attempt = 1; ; attempt++)
        {
            File.Delete(Path.Combine(folder, "out"));
            using Process process = Process.Start(start)!;
            text = process.StandardError.ReadToEnd().Trim();
            process.WaitForExit();
            if (process.ExitCode == 0) break;
            if (attempt == MostAttempts || !text.Contains(Unlucky, StringComparison.Ordinal)) throw new InvalidOperationException($"{program} {string.Join(' ', arguments)} failed:\n{text}");
        }
        double[] times = [.. text.Split('\n')[^1].Split(' ').Select(part => double.Parse(part, CultureInfo.InvariantCulture))];
        return new Measure(times[0], times[1] + times[2]);
    }

    private static void Must(string folder, string program, params string[] arguments)
    {
        using Process process = Process.Start(new ProcessStartInfo(program, arguments) { WorkingDirectory = folder })!;
        process.WaitForExit();
        if (process.ExitCode != 0) throw new InvalidOperationException($"{program} {string.Join(' ', arguments)} failed.");
    }
}
