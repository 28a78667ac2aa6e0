using System.Collections.Generic;
using Hutch.Devices;
using Hutch.Host.Scheduling;
using Hutch.Model.Machine;

namespace Hutch.Vmm.Build;

/// <summary>What a definition may say of the guest's NUMA nodes.</summary>
internal static class NumaLimits
{
    /// <summary>The most nodes.</summary>
    internal const int MostNodes = 64;

    // Linux leaves a smaller node out.
    private const ulong LeastBytes = 4UL << 20, UnitBytes = 1UL << 20;

    private const int ToItself = 10, Unreachable = 255;

    /// <summary>Throws <see cref="ConfigException"/> with one sentence for the first thing that cannot be.</summary>
    internal static void Check(MachineDefinition definition)
    {
        int count = definition.NumaNodes.Length;
        if (count > MostNodes) throw new ConfigException($"The guest would have {count} NUMA nodes, and {MostNodes} are the most; leave some out.");
        if (count != 0)
        {
            CheckVcpus(definition);
            CheckMemory(definition);
        }
        CheckAccesses(definition);
        HashSet<(int, int)> ways = [];
        foreach (NumaDistance one in definition.NumaDistances)
        {
            if ((uint)one.From >= (uint)count || (uint)one.To >= (uint)count)
                throw new ConfigException($"There is a distance from NUMA node {one.From} to {one.To}, and the guest has {count} nodes, from 0 on; correct --numa dist.");
            if (one.From == one.To ? one.Value != ToItself : one.Value is <= ToItself or > Unreachable)
                throw new ConfigException($"NUMA node {one.To} cannot be {one.Value} away from node {one.From}: a node is {ToItself} from itself, and {ToItself + 1} to {Unreachable} from another; correct --numa dist.");
            if (!ways.Add((one.From, one.To))) throw new ConfigException($"The distance from NUMA node {one.From} to {one.To} is there twice; leave one --numa dist out.");
        }
    }

    private static void CheckAccesses(MachineDefinition definition)
    {
        int count = definition.NumaNodes.Length;
        HashSet<(int, int)> ways = [];
        foreach (NumaAccess one in definition.NumaAccesses)
        {
            if ((uint)one.Initiator >= (uint)count || (uint)one.Target >= (uint)count)
                throw new ConfigException($"It is said how fast NUMA node {one.Initiator} reaches the memory of node {one.Target}, and the guest has {count} nodes, from 0 on; correct --numa hmat.");
            if (definition.NumaNodes[one.Initiator].Cpus.Length == 0)
                throw new ConfigException($"NUMA node {one.Initiator} has no vCPUs that could reach memory; choose another initiator= for --numa hmat.");
            if (one.LatencyNanoseconds is < 0 or > NumaAccess.MostLatency)
                throw new ConfigException($"NUMA node {one.Initiator} cannot reach the memory of node {one.Target} in {one.LatencyNanoseconds} ns: {NumaAccess.MostLatency} are the most that a table can say; correct latency= of --numa hmat.");
            if (one.BandwidthMegabytes is < 0 or > NumaAccess.MostBandwidth)
                throw new ConfigException($"NUMA node {one.Initiator} cannot have {one.BandwidthMegabytes} MB of node {one.Target} in a second: {NumaAccess.MostBandwidth} are the most; correct bandwidth= of --numa hmat.");
            if (!ways.Add((one.Initiator, one.Target))) throw new ConfigException($"How fast NUMA node {one.Initiator} reaches node {one.Target} is there twice; leave one --numa hmat out.");
        }
    }

    private static void CheckVcpus(MachineDefinition definition)
    {
        int vcpus = definition.Cpus.VcpuCount;
        int?[] nodes = new int?[vcpus];
        for (int node = 0; node < definition.NumaNodes.Length; node++)
        {
            string text = definition.NumaNodes[node].Cpus;
            if (text.Length == 0) continue;
            CpuSet cpus = CpuSet.Parse(text) ?? throw new ConfigException($"NUMA node {node} cannot have the vCPUs '{text}'; write them as 0-3 after cpus=.");
            foreach (int vcpu in cpus.Numbers)
            {
                if (vcpu >= vcpus) throw new ConfigException($"NUMA node {node} has vCPU {vcpu}, and the machine has {vcpus}, from 0 on; correct --numa or --cpus.");
                if (nodes[vcpu] is int other) throw new ConfigException($"vCPU {vcpu} is in the NUMA nodes {other} and {node}; leave it out of one of them.");
                nodes[vcpu] = node;
            }
        }
        for (int vcpu = 0; vcpu < vcpus; vcpu++)
            if (nodes[vcpu] is null) throw new ConfigException($"vCPU {vcpu} is in no NUMA node; add it to the cpus= of one.");
    }

    private static void CheckMemory(MachineDefinition definition)
    {
        ulong left = definition.MemoryBytes;
        for (int node = 0; node < definition.NumaNodes.Length; node++)
        {
            ulong bytes = definition.NumaNodes[node].MemoryBytes;
            if (bytes < LeastBytes || bytes % UnitBytes != 0)
                throw new ConfigException($"NUMA node {node} cannot have {bytes} bytes of memory: it has whole MiB, {LeastBytes >> 20} at least; correct its memory=.");
            if (bytes > left) throw new ConfigException($"The NUMA nodes up to {node} have more memory than the machine's {definition.MemoryBytes >> 20} MiB; correct memory= or --memory.");
            left -= bytes;
        }
        if (left != 0) throw new ConfigException($"{left >> 20} MiB of the machine's {definition.MemoryBytes >> 20} MiB of memory are in no NUMA node; correct memory= or --memory.");
    }
}
