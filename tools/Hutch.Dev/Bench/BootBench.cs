using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.IO;
using System.Linq;

namespace Hutch.Dev.Bench;

/// <summary>Boots the same guest on hutch and on QEMU's TCG in turn, and compares CPU time to init and memory outside the guest's RAM.</summary>
internal sealed class BootBench(string root)
{
    private const int Megabytes = 512;
    private const string CommandLine = "console=ttyS0 quiet";
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(120);

    private sealed record Measure(double CpuSeconds, double WallSeconds, ResidentMemory Memory);

    internal int Run(int runs)
    {
        string guest = PrepareGuest(root);
        List<Measure> ours = [], theirs = [];
        Console.WriteLine($"guest: {guest}, {Megabytes} MiB, 1 vCPU, -cpu max; CPU and wall seconds from the start to init, MB outside guest RAM");
        for (int run = 1; run <= runs; run++)
        {
            ours.Add(Once(Path.Combine(root, "hutch"), ["run", "--memory", $"{Megabytes}M", "--cpu", "max"]));
            theirs.Add(Once("qemu-system-x86_64",
            [
                "-accel", "tcg", "-cpu", "max", "-m", $"{Megabytes}", "-kernel", $"{guest}/vmlinuz", "-initrd", $"{guest}/initrd", "-append", CommandLine,
                "-nodefaults", "-display", "none", "-serial", "stdio", "-no-reboot", "-device", "virtio-rng-pci",
            ]));
            Console.WriteLine($"run {run}: hutch {Show(ours[^1])}   qemu {Show(theirs[^1])}");
        }
        double our = Statistics.Median(ours.Select(m => m.CpuSeconds)), their = Statistics.Median(theirs.Select(m => m.CpuSeconds));
        Console.WriteLine($"median CPU seconds: hutch {our:F2}, qemu {their:F2}, ratio {our / their:F2} (goal 0.80, aim 0.60)");
        Console.WriteLine($"median MB outside guest RAM: hutch {OtherMegabytes(ours):F0}, qemu {OtherMegabytes(theirs):F0} (goal 80, aim 60)");
        return 0;
    }

    /// <summary>Boots once with nothing measured: builds, fills the cache, warms the files. Returns the guest's folder.</summary>
    internal static string PrepareGuest(string root)
    {
        using Guest guest = Guest.Start(Path.Combine(root, "hutch"), ["run"]);
        if (!guest.WaitFor(Guest.Marker, TimeSpan.FromMinutes(10))) throw new InvalidOperationException($"The tiny guest does not boot:\n{guest.Transcript}");
        return Guest.NewestInCache("tiny-");
    }

    private static Measure Once(string program, string[] arguments)
    {
        long start = Stopwatch.GetTimestamp();
        using Guest guest = Guest.Start(program, arguments);
        if (!guest.WaitFor(Guest.Marker, Patience)) throw new InvalidOperationException($"{program} did not boot:\n{guest.Transcript}");
        double cpu = guest.CpuSeconds(), wall = Stopwatch.GetElapsedTime(start).TotalSeconds;
        return new Measure(cpu, wall, ResidentMemory.Read(guest.ProcessId, Megabytes));
    }

    private static string Show(Measure m) =>
        $"{m.CpuSeconds:F2} s CPU, {m.WallSeconds:F2} s wall, {m.Memory.OtherKilobytes / 1024} MB (Pss {m.Memory.OtherProportionalKilobytes / 1024}; guest {m.Memory.GuestKilobytes / 1024})";

    private static double OtherMegabytes(List<Measure> measures) => Statistics.Median(measures.Select(m => m.Memory.OtherKilobytes / 1024.0));
}
