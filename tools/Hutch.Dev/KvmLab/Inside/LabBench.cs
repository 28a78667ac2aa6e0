using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using Hutch.Dev.Bench;

namespace Hutch.Dev.KvmLab.Inside;

/// <summary>Boots the tiny guest on the lab's KVM with hutch and with QEMU in turn, and compares CPU time to init, memory outside the guest's RAM, and exits.</summary>
internal static class LabBench
{
    private const int Megabytes = 512;
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(3);

    /// <summary>One boot: what was seen at the moment when init spoke.</summary>
    private sealed record Measure(double CpuSeconds, ResidentMemory Memory, Dictionary<string, double> Exits);

    private sealed record Contender(string Name, string Program, string[] Arguments)
    {
        public List<Measure> Measures { get; } = [];
    }

    internal static int Run(int runs)
    {
        string guest = Directory.GetDirectories("/root/.cache/hutch", "tiny-*")[0];
        Contender hutch = new("hutch", "hutch", ["run", "--engine", "kvm", "--memory", $"{Megabytes}M", "--cpu", "host"]);
        Contender[] contenders = [hutch, new("q35", Qemu.Program, QemuArguments(guest, "q35")), new("microvm", Qemu.Program, QemuArguments(guest, "microvm"))];
        Console.WriteLine($"{Megabytes} MiB, 1 vCPU, the host's CPU model, {runs} boots of each in turn; CPU seconds of user and system from the start to init, MB outside guest RAM");
        for (int run = 0; run <= runs; run++)
        {
            foreach (Contender contender in contenders)
            {
                Measure measure = Once(contender);
                // The first boot of each fills the lab's page cache.
                if (run > 0) contender.Measures.Add(measure);
                Console.WriteLine($"{(run == 0 ? "warm-up" : $"run {run}")}: {contender.Name,-8} {Show(measure)}");
            }
        }
        foreach (Contender contender in contenders) Console.WriteLine($"median: {contender.Name,-8} {Show(Median(contender))}");
        return Judge(Median(hutch), Median(contenders[1]), Median(contenders[2]));
    }

    // Without devices but those that ours has, and without a display: QEMU's fastest form of each machine.
    private static string[] QemuArguments(string guest, string machine) =>
    [
        "-M", machine, "-accel", "kvm", "-cpu", "host", "-m", $"{Megabytes}", "-nodefaults", "-display", "none", "-serial", "stdio", "-no-reboot",
        "-kernel", $"{guest}/vmlinuz", "-initrd", $"{guest}/initrd", "-append", "console=ttyS0 quiet", .. Qemu.Firmware,
        "-device", machine == "q35" ? "virtio-rng-pci" : "virtio-rng-device",
    ];

    private static Measure Once(Contender contender)
    {
        using Guest guest = Guest.Start(contender.Program, contender.Arguments);
        if (!guest.WaitFor(Guest.Marker, Patience)) throw new InvalidOperationException($"{contender.Name} did not boot:\n{guest.Transcript}");
        double cpu = guest.CpuSeconds();
        return new Measure(cpu, ResidentMemory.Read(guest.ProcessId, Megabytes), ExitCounts.Read(guest.ProcessId));
    }

    private static int Judge(Measure ours, Measure q35, Measure microvm)
    {
        double memory = Math.Min(q35.Memory.OtherProportionalKilobytes, microvm.Memory.OtherProportionalKilobytes);
        (string What, double Value, double Goal)[] ratios =
        [
            ("CPU time, of q35's", ours.CpuSeconds / q35.CpuSeconds, 0.8),
            ("CPU time, of microvm's", ours.CpuSeconds / microvm.CpuSeconds, 1.0),
            ("memory (Pss), of the smaller QEMU's", ours.Memory.OtherProportionalKilobytes / memory, 0.8),
            ("exits, of q35's", ours.Exits["exits"] / q35.Exits["exits"], 1.0),
            ("exits, of microvm's", ours.Exits["exits"] / microvm.Exits["exits"], 1.0),
        ];
        foreach ((string what, double value, double goal) in ratios) Console.WriteLine($"{(value <= goal ? "ok  " : "MISS")} {value:F2} {what} (goal {goal:F2})");
        return ratios.All(ratio => ratio.Value <= ratio.Goal) ? 0 : 1;
    }

    private static string Show(Measure measure) =>
        $"{measure.CpuSeconds:F2} s CPU, {measure.Memory.OtherProportionalKilobytes / 1024.0:F1} MB Pss ({measure.Memory.OtherKilobytes / 1024.0:F1} Rss), "
        + string.Join(", ", ExitCounts.Kinds.Select(kind => $"{kind} {measure.Exits[kind]:F0}"));

    private static Measure Median(Contender contender) => new(
        Median(contender, measure => measure.CpuSeconds),
        new ResidentMemory(0, (long)Median(contender, measure => measure.Memory.OtherKilobytes), (long)Median(contender, measure => measure.Memory.OtherProportionalKilobytes)),
        ExitCounts.Kinds.ToDictionary(kind => kind, kind => Median(contender, measure => measure.Exits[kind])));

    private static double Median(Contender contender, Func<Measure, double> what) =>
        Statistics.Median(contender.Measures.Select(what));
}
