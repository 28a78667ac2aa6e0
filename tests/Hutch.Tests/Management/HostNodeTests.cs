using System;
using System.IO;
using Hutch.Management.Hosts;
using Xunit;

namespace Hutch.Tests.Management;

/// <summary>What a host says of itself in /proc and /sys.</summary>
public sealed class HostNodeTests : IDisposable
{
    private readonly string _root = Directory.CreateTempSubdirectory("hutch-host-").FullName;

    public HostNodeTests()
    {
        Write("proc/meminfo", "MemTotal:       16384000 kB\nMemFree:         4096000 kB\nHugePages_Total:       0\n");
        Write("proc/cpuinfo", "processor\t: 0\ncpu MHz\t\t: 2445.404\n");
    }

    public void Dispose() => Directory.Delete(_root, recursive: true);

    [Fact]
    public void A_regular_host_is_nodes_of_sockets_of_cores_of_threads()
    {
        Cpus("0-7", "0-1", cpu => (cpu / 4, cpu / 2 % 2));
        HostNode host = HostNode.Read(_root);
        Assert.Equal((2, 1, 2, 2), (host.Nodes, host.Sockets, host.Cores, host.Threads));
        Assert.Equal((8, 2445, 16384000UL << 10, 4096000UL << 10), (host.OnlineCpus.Count, host.Megahertz, host.MemoryBytes, HostNode.ReadFreeMemoryBytes(_root)));
    }

    [Fact]
    public void A_host_with_a_core_that_lost_a_thread_is_so_many_cores()
    {
        Cpus("0-2", "0", cpu => (0, cpu / 2));
        HostNode host = HostNode.Read(_root);
        Assert.Equal((1, 1, 3, 1), (host.Nodes, host.Sockets, host.Cores, host.Threads));
    }

    [Fact]
    public void A_host_that_does_not_say_how_its_CPUs_lie_has_what_it_counts()
    {
        Write("sys/devices/system/cpu/online", "0-3");
        HostNode host = HostNode.Read(_root);
        Assert.Equal(4, host.Nodes * host.Sockets * host.Cores * host.Threads);
    }

    private void Cpus(string online, string nodes, Func<int, (int Package, int Core)> place)
    {
        Write("sys/devices/system/cpu/online", online);
        Write("sys/devices/system/cpu/present", online);
        Write("sys/devices/system/node/online", nodes);
        for (int cpu = 0; cpu < 8; cpu++)
        {
            Write($"sys/devices/system/cpu/cpu{cpu}/topology/physical_package_id", $"{place(cpu).Package}\n");
            Write($"sys/devices/system/cpu/cpu{cpu}/topology/core_id", $"{place(cpu).Core}\n");
        }
    }

    private void Write(string path, string text)
    {
        string full = Path.Combine(_root, path);
        Directory.CreateDirectory(Path.GetDirectoryName(full)!);
        File.WriteAllText(full, text);
    }
}
