using System;
using System.IO;
using System.Runtime.CompilerServices;
using System.Text.RegularExpressions;
using Hutch.Devices;
using Hutch.Model.Machine;
using Hutch.Vmm.Build;
using Xunit;

namespace Hutch.Tests.Vmm.Build;

public sealed class MachineLimitsTests
{
    private static MachineDefinition Definition(ulong memory, CpuTopology? cpus = null) => new()
    {
        Name = "test",
        MemoryBytes = memory,
        Cpus = cpus ?? new CpuTopology(1, 1, 1),
        Cpu = CpuModel.Max,
        Engine = EngineChoice.Software,
        Boot = new KernelBoot("kernel", null, ""),
        Devices = [],
    };

    private static string Refusal(MachineDefinition definition) =>
        Assert.Throws<ConfigException>(() => MachineLimits.Check(definition, hostBytes: 8UL << 30)).Message;

    [Fact]
    public void Memory_has_a_floor_a_granule_and_the_hosts_ceiling()
    {
        MachineLimits.Check(Definition(16 << 20), 8UL << 30);
        MachineLimits.Check(Definition(8UL << 30), 8UL << 30);
        Assert.Contains("too little", Refusal(Definition(15 << 20)), StringComparison.Ordinal);
        Assert.Contains("multiple of 4096", Refusal(Definition((16 << 20) + 1)), StringComparison.Ordinal);
        Assert.Contains("more than this host's 8192 MiB", Refusal(Definition((8UL << 30) + 4096)), StringComparison.Ordinal);
    }

    [Fact]
    public void A_device_of_the_host_needs_memory_that_stays_and_an_engine_that_does_not_watch_it()
    {
        MachineDefinition alone = Definition(16 << 20) with { Devices = [new VfioPciConfig("card", "0000:01:00.0"), new VirtioRngConfig("rng")] };
        HostDeviceRules.Check(alone, "kvm");
        HostDeviceRules.Check(alone with { Devices = [new VirtioBalloonConfig("balloon")] }, "software");
        static string Why(MachineDefinition definition, string engine) => Assert.Throws<ConfigException>(() => HostDeviceRules.Check(definition, engine)).Message;
        Assert.Contains("'card' is a device of the host and writes the guest's memory itself, which the software engine does not see; run the machine with --engine kvm", Why(alone, "software"), StringComparison.Ordinal);
        Assert.Contains("'balloon' gives memory back to the host, and 'card' needs all of it", Why(alone with { Devices = alone.Devices.Add(new VirtioBalloonConfig("balloon")) }, "kvm"), StringComparison.Ordinal);
        Assert.Contains("'memory0' gives memory back", Why(alone with { Devices = alone.Devices.Add(new VirtioMemConfig("memory0")) }, "kvm"), StringComparison.Ordinal);
        Assert.Contains("leave the max of --memory out", Why(alone with { PluggableBytes = 128 << 20 }, "kvm"), StringComparison.Ordinal);
    }

    [Fact]
    public void A_topology_cannot_wrap_or_exceed_the_limit()
    {
        MachineLimits.Check(Definition(16 << 20, new CpuTopology(4, 8, 2)), 8UL << 30);
        Assert.Contains("more than 64", Refusal(Definition(16 << 20, new CpuTopology(65536, 65536, 1))), StringComparison.Ordinal);
        Assert.Contains("more than 64", Refusal(Definition(16 << 20, new CpuTopology(33, 2, 1))), StringComparison.Ordinal);
        Assert.Contains("by 128 MiB", Refusal(Definition(16 << 20) with { PluggableBytes = 1 << 20 }), StringComparison.Ordinal);
        Assert.Contains("smaller max", Refusal(Definition(16 << 20) with { PluggableBytes = 8UL << 30 }), StringComparison.Ordinal);
        Assert.Contains("first vCPU", Refusal(Definition(16 << 20, new CpuTopology(2, 1, 1)) with { AbsentVcpus = 1 }), StringComparison.Ordinal);
        Assert.Contains("first vCPU", Refusal(Definition(16 << 20, new CpuTopology(2, 1, 1)) with { AbsentVcpus = 4 }), StringComparison.Ordinal);
        Assert.Contains("at least one", Refusal(Definition(16 << 20, new CpuTopology(0, 1, 1))), StringComparison.Ordinal);
    }

    [Fact]
    public void Every_vcpu_and_all_memory_is_in_one_node()
    {
        MachineDefinition four = Definition(64 << 20, new CpuTopology(4, 1, 1));
        NumaNode first = new("0-1", 32 << 20), second = new("2-3", 32 << 20);
        MachineLimits.Check(four with { NumaNodes = [first, second], NumaDistances = [new NumaDistance(0, 1, 11), new NumaDistance(1, 0, 255), new NumaDistance(1, 1, 10)] }, 8UL << 30);
        MachineLimits.Check(four with { NumaNodes = [new NumaNode("0-3", 60 << 20), new NumaNode("", 4 << 20)] }, 8UL << 30);
        string Nodes(params NumaNode[] nodes) => Refusal(four with { NumaNodes = [.. nodes] });
        Assert.Contains("vCPU 3 is in no NUMA node", Nodes(first, new NumaNode("2", 32 << 20)), StringComparison.Ordinal);
        Assert.Contains("vCPU 1 is in the NUMA nodes 0 and 1", Nodes(first, new NumaNode("1-3", 32 << 20)), StringComparison.Ordinal);
        Assert.Contains("node 1 has vCPU 4, and the machine has 4", Nodes(first, new NumaNode("2-4", 32 << 20)), StringComparison.Ordinal);
        Assert.Contains("the vCPUs 'all'", Nodes(first, new NumaNode("all", 32 << 20)), StringComparison.Ordinal);
        Assert.Contains("4 MiB of the machine's 64 MiB", Nodes(first, new NumaNode("2-3", 28 << 20)), StringComparison.Ordinal);
        Assert.Contains("more memory than the machine's 64 MiB", Nodes(first, new NumaNode("2-3", 33 << 20)), StringComparison.Ordinal);
        Assert.Contains("node 1 cannot have 1 bytes", Nodes(first, new NumaNode("2-3", 1)), StringComparison.Ordinal);
        Assert.Contains("65 NUMA nodes", Nodes([.. System.Linq.Enumerable.Repeat(first, 65)]), StringComparison.Ordinal);
        string Distances(params NumaDistance[] distances) => Refusal(four with { NumaNodes = [first, second], NumaDistances = [.. distances] });
        Assert.Contains("from NUMA node 0 to 2, and the guest has 2 nodes", Distances(new NumaDistance(0, 2, 20)), StringComparison.Ordinal);
        Assert.Contains("cannot be 10 away", Distances(new NumaDistance(0, 1, 10)), StringComparison.Ordinal);
        Assert.Contains("cannot be 256 away", Distances(new NumaDistance(0, 1, 256)), StringComparison.Ordinal);
        Assert.Contains("cannot be 20 away", Distances(new NumaDistance(1, 1, 20)), StringComparison.Ordinal);
        Assert.Contains("twice", Distances(new NumaDistance(0, 1, 20), new NumaDistance(0, 1, 21)), StringComparison.Ordinal);
        NumaNode memory = new("", 4 << 20), most = new("2-3", 28 << 20);
        MachineLimits.Check(four with { NumaNodes = [first, most, memory], NumaAccesses = [new NumaAccess(1, 2, 65_534, 1_000_000_000), new NumaAccess(0, 0, 80, 0)] }, 8UL << 30);
        string Accesses(params NumaAccess[] accesses) => Refusal(four with { NumaNodes = [first, most, memory], NumaAccesses = [.. accesses] });
        Assert.Contains("node 0 reaches the memory of node 3, and the guest has 3 nodes", Accesses(new NumaAccess(0, 3, 80, 0)), StringComparison.Ordinal);
        Assert.Contains("node 2 has no vCPUs", Accesses(new NumaAccess(2, 0, 80, 0)), StringComparison.Ordinal);
        Assert.Contains("in 65535 ns", Accesses(new NumaAccess(0, 1, 65_535, 0)), StringComparison.Ordinal);
        Assert.Contains("1000000001 MB", Accesses(new NumaAccess(0, 1, 0, 1_000_000_001)), StringComparison.Ordinal);
        Assert.Contains("twice", Accesses(new NumaAccess(0, 1, 80, 0), new NumaAccess(0, 1, 0, 8)), StringComparison.Ordinal);

        Assert.Contains("the guest has 0 nodes", Refusal(four with { NumaDistances = [new NumaDistance(0, 1, 20)] }), StringComparison.Ordinal);
    }

    [Fact]
    public void Two_devices_cannot_have_one_name()
    {
        MachineDefinition definition = Definition(16 << 20) with { Devices = [new VirtioRngConfig("rng0"), new VirtioRngConfig("rng0")] };
        Assert.Contains("'rng0'", Refusal(definition), StringComparison.Ordinal);
    }

    [Fact]
    public void The_builder_names_no_concrete_device()
    {
        Regex device = new(@"\b(Serial|Virtio\w*|Platform|DebugExit|TestDevice)(Config|Factory)\b|Hutch\.Devices\.(Chipset|Serial|Virtio|TestDevices)");
        foreach (string file in Directory.GetFiles(BuildFolder(), "*.cs"))
            Assert.False(device.IsMatch(File.ReadAllText(file)), $"{Path.GetFileName(file)} names a concrete device");
    }

    private static string BuildFolder([CallerFilePath] string here = "") =>
        Path.Combine(Path.GetDirectoryName(here)!, "..", "..", "..", "..", "src", "Hutch.Vmm", "Build");
}
