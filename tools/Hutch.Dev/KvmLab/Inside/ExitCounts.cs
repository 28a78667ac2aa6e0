using System;
using System.Collections.Generic;
using System.Globalization;
using System.IO;

namespace Hutch.Dev.KvmLab.Inside;

/// <summary>What KVM itself counts of a machine, in debugfs: /sys/kernel/debug/kvm/PID-FD/NAME, the same files whatever program runs the machine.</summary>
internal static class ExitCounts
{
    /// <summary>The kinds that are shown; "exits" is all of them.</summary>
    internal static readonly IReadOnlyList<string> Kinds = ["exits", "io_exits", "mmio_exits", "irq_exits", "halt_exits", "signal_exits", "irq_injections"];

    /// <summary>The counts of the machine that a process runs.</summary>
    internal static Dictionary<string, double> Read(int processId)
    {
        string[] folders = Directory.GetDirectories("/sys/kernel/debug/kvm", $"{processId}-*");
        if (folders.Length != 1) throw new InvalidOperationException($"Process {processId} runs {folders.Length} machines on KVM; one is expected.");
        Dictionary<string, double> counts = [];
        foreach (string kind in Kinds)
        {
            string file = $"{folders[0]}/{kind}";
            counts[kind] = File.Exists(file) ? double.Parse(File.ReadAllText(file), CultureInfo.InvariantCulture) : SumOfVcpus(folders[0], kind);
        }
        return counts;
    }

    // Some kernels have the counts for each vCPU only.
    private static double SumOfVcpus(string folder, string kind)
    {
        double sum = 0;
        foreach (string vcpu in Directory.GetDirectories(folder, "vcpu*"))
            if (File.Exists($"{vcpu}/{kind}")) sum += double.Parse(File.ReadAllText($"{vcpu}/{kind}"), CultureInfo.InvariantCulture);
        return sum;
    }
}
