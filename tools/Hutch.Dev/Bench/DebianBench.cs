using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.IO;
using System.Linq;

namespace Hutch.Dev.Bench;

/// <summary>Boots the disk of <c>hutch run debian</c> to root's prompt on hutch and on QEMU's TCG in turn, and compares CPU time.</summary>
internal sealed class DebianBench(string root)
{
    private const int Megabytes = 1024;
    private const string Prompt = ":~#";
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(10), MakingPatience = TimeSpan.FromMinutes(30);

    private string Hutch => Path.Combine(root, "hutch");

    /// <summary>Prints a line for each run and the medians; status 1 when the goal is missed.</summary>
    internal int Run(int runs)
    {
        (string folder, string line) = Prepare();
        Console.WriteLine($"Debian: {folder}, {Megabytes} MiB, 1 vCPU, -cpu max, user network; CPU and wall seconds from the start to root's prompt");
        List<double> ours = [], theirs = [];
        for (int run = 1; run <= runs; run++)
        {
            (double our, double ourWall) = Once(Hutch, ["run", "debian", "--cpu", "max"]);
            (double their, double theirWall) = Once("qemu-system-x86_64",
            [
                "-accel", "tcg", "-cpu", "max", "-m", $"{Megabytes}", "-kernel", $"{folder}/vmlinuz", "-initrd", $"{folder}/initrd", "-append", line, "-nodefaults", "-display", "none",
                "-serial", "stdio", "-drive", $"file={folder}/disk.qcow2,if=none,id=d0,snapshot=on", "-device", "virtio-blk-pci,drive=d0", "-netdev", "user,id=n0", "-device", "virtio-net-pci,netdev=n0",
                "-device", "virtio-rng-pci",
            ]);
            ours.Add(our);
            theirs.Add(their);
            Console.WriteLine($"run {run}: hutch {our:F2} s CPU, {ourWall:F2} s wall   qemu {their:F2} s CPU, {theirWall:F2} s wall");
        }
        double ratio = Statistics.Median(ours) / Statistics.Median(theirs);
        Console.WriteLine($"median CPU seconds: hutch {Statistics.Median(ours):F2}, qemu {Statistics.Median(theirs):F2}, ratio {ratio:F2} (goal 0.70)");
        return ratio <= 0.70 ? 0 : 1;
    }

    // Makes the disk where there is none. Returns its folder, and the kernel's command line, which QEMU's guest gets too.
    private (string Folder, string Line) Prepare()
    {
        using Guest guest = Guest.Start(Hutch, ["run", "debian"]);
        bool booted = guest.WaitFor(Prompt, MakingPatience);
        guest.Send("cat /proc/cmdline\n");
        if (!booted || !guest.WaitFor("cat /proc/cmdline", Patience) || !guest.WaitFor(Prompt, Patience)) throw new InvalidOperationException($"Debian does not boot:\n{guest.Transcript}");
        string console = guest.Transcript;
        string line = console[console.LastIndexOf("cat /proc/cmdline", StringComparison.Ordinal)..].Split('\n').Select(static text => text.Trim()).First(static text => text.Contains("root=", StringComparison.Ordinal));
        return (Guest.NewestInCache("debian-"), line);
    }

    private static (double Cpu, double Wall) Once(string program, string[] arguments)
    {
        long start = Stopwatch.GetTimestamp();
        using Guest guest = Guest.Start(program, arguments);
        if (!guest.WaitFor(Prompt, Patience)) throw new InvalidOperationException($"{program} did not boot:\n{guest.Transcript}");
        return (guest.CpuSeconds(), Stopwatch.GetElapsedTime(start).TotalSeconds);
    }
}
