using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;

namespace Hutch.Host.Scheduling;

/// <summary>How the host's CPUs lie to each other.</summary>
public static class HostCpus
{
    /// <summary>
    /// CPUs of <paramref name="allowed"/> in the order in which work that wants CPUs of its own takes them: one hardware thread of each core first, then
    /// their siblings; in both the highest numbers first, for the lowest serve most interrupts.
    /// </summary>
    /// <param name="allowed">What to choose from.</param>
    /// <param name="siblings">CPUs that share a core with a CPU, itself included; null: ask this host (/sys/devices/system/cpu).</param>
    public static IReadOnlyList<int> InOrderOfUse(CpuSet allowed, Func<int, CpuSet>? siblings = null)
    {
        siblings ??= ReadSiblings;
        List<int> first = [], second = [];
        HashSet<int> taken = [];
        foreach (int cpu in allowed.Numbers.Reverse())
        {
            (taken.Contains(cpu) ? second : first).Add(cpu);
            taken.UnionWith(siblings(cpu).Numbers);
        }
        return [.. first, .. second];
    }

    private static CpuSet ReadSiblings(int cpu)
    {
        try
        {
            return CpuSet.Parse(File.ReadAllText($"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list").Trim()) ?? new CpuSet(cpu);
        }
        catch (Exception absent) when (absent is IOException or UnauthorizedAccessException)
        {
            return new CpuSet(cpu);
        }
    }
}
