using System;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using System.Linq;
using Hutch.Host.Scheduling;

namespace Hutch.Management.Hosts;

/// <summary>What a host has, as its kernel says it.</summary>
/// <param name="Model">Architecture, such as <c>x86_64</c>.</param>
/// <param name="MemoryBytes">RAM that the kernel manages.</param>
/// <param name="OnlineCpus">CPUs that run.</param>
/// <param name="PresentCpus">CPUs that are there.</param>
/// <param name="Megahertz">Clock of the first CPU; 0 where it is not said.</param>
/// <param name="Nodes">NUMA nodes.</param>
/// <param name="Sockets">Sockets of a node.</param>
/// <param name="Cores">Cores of a socket.</param>
/// <param name="Threads">Hardware threads of a core.</param>
public sealed record HostNode(string Model, ulong MemoryBytes, CpuSet OnlineCpus, CpuSet PresentCpus, int Megahertz, int Nodes, int Sockets, int Cores, int Threads)
{
    private const int BytesOfKilobyte = 1024;

    /// <summary>Asks this host, at the moment of the call.</summary>
    /// <param name="root">Where /proc and /sys are below; for tests.</param>
    public static HostNode Read(string root = "/")
    {
        string cpus = Path.Combine(root, "sys/devices/system/cpu");
        CpuSet online = ReadCpus(Path.Combine(cpus, "online")), present = ReadCpus(Path.Combine(cpus, "present"));
        int nodes = Math.Max(1, ReadCpus(Path.Combine(root, "sys/devices/system/node/online")).Count);
        (int sockets, int cores, int threads) = ReadTopology(cpus, online, nodes);
        // libvirt's convention for hosts that are not regular: the product is the number of CPUs at least.
        if (nodes * sockets * cores * threads != online.Count) (nodes, sockets, cores, threads) = (1, 1, online.Count, 1);
        return new HostNode("x86_64", ReadMemory(root, "MemTotal"), online, present, ReadMegahertz(Path.Combine(root, "proc/cpuinfo")), nodes, sockets, cores, threads);
    }

    /// <summary>RAM that is in no use at all at the moment of the call, in bytes.</summary>
    /// <param name="root">As for <see cref="Read"/>.</param>
    public static ulong ReadFreeMemoryBytes(string root = "/") => ReadMemory(root, "MemFree");

    private static (int Sockets, int Cores, int Threads) ReadTopology(string cpus, CpuSet online, int nodes)
    {
        List<(string Package, string Core)> places = [.. online.Numbers.Select(cpu => Path.Combine(cpus, $"cpu{cpu}", "topology"))
            .Select(topology => (ReadWord(Path.Combine(topology, "physical_package_id")), ReadWord(Path.Combine(topology, "core_id"))))];
        int packages = places.Select(place => place.Package).Distinct().Count(), cores = places.Distinct().Count();
        return (Math.Max(1, packages / nodes), Math.Max(1, cores / Math.Max(1, packages)), Math.Max(1, places.Count / Math.Max(1, cores)));
    }

    private static CpuSet ReadCpus(string path) => CpuSet.Parse(ReadWord(path)) ?? new CpuSet(0);

    private static string ReadWord(string path)
    {
        try
        {
            return File.ReadAllText(path).Trim();
        }
        catch (Exception absent) when (absent is IOException or UnauthorizedAccessException)
        {
            return "0";
        }
    }

    // proc(5), meminfo: a name and kilobytes on each line.
    private static ulong ReadMemory(string root, string name)
    {
        foreach (string line in File.ReadLines(Path.Combine(root, "proc/meminfo")))
        {
            string[] words = line.Split((char[])[':', ' '], StringSplitOptions.RemoveEmptyEntries);
            if (words.Length > 1 && words[0] == name && ulong.TryParse(words[1], CultureInfo.InvariantCulture, out ulong kilobytes)) return kilobytes * BytesOfKilobyte;
        }
        return 0;
    }

    private static int ReadMegahertz(string path)
    {
        string? line = File.ReadLines(path).FirstOrDefault(line => line.StartsWith("cpu MHz", StringComparison.Ordinal));
        return line is not null && double.TryParse(line.Split(':')[^1], CultureInfo.InvariantCulture, out double megahertz) ? (int)megahertz : 0;
    }
}
