using System.Collections.Generic;
using Hutch.Core.Memory;
using Hutch.Devices;
using Hutch.Host.Memory;
using Hutch.Model.Machine;

namespace Hutch.Vmm.Build;

/// <summary>What a definition may ask for. Checked before anything is created.</summary>
internal static class MachineLimits
{
    /// <summary>A stock kernel does not unpack in less.</summary>
    internal const ulong LeastMemoryBytes = 16UL << 20;

    /// <summary>The most vCPUs: their APIC ids and their bits in the engine's masks.</summary>
    internal const int MostVcpus = 64;

    // 255 is the broadcast.
    private const int HighestXApicId = 254;

    private const ulong PageBytes = 4096;

    /// <summary>Throws <see cref="ConfigException"/> with one sentence for the first thing that cannot be had.</summary>
    internal static void Check(MachineDefinition definition) => Check(definition, HostMemory.TotalBytes);

    /// <summary>As above, for a host with this much RAM and swap space.</summary>
    internal static void Check(MachineDefinition definition, ulong hostBytes)
    {
        ulong bytes = definition.MemoryBytes;
        if (bytes < LeastMemoryBytes)
            throw new ConfigException($"{Size(bytes)} of guest memory are too little: a machine needs 16 MiB at least; give more with --memory.");
        if (bytes % PageBytes != 0)
            throw new ConfigException($"The guest memory of {bytes} bytes is not a multiple of {PageBytes}; round it with --memory.");
        if (bytes > hostBytes)
            throw new ConfigException($"{Size(bytes)} of guest memory are more than this host's {Size(hostBytes)} of RAM and swap; give less with --memory.");
        if (definition.PluggableBytes % GuestMemory.PluggableUnit != 0)
            throw new ConfigException($"Memory is plugged in by {Size(GuestMemory.PluggableUnit)}; round the max of --memory.");
        if (definition.PluggableBytes > hostBytes - bytes)
            throw new ConfigException($"{Size(bytes)} of guest memory and {Size(definition.PluggableBytes)} that can be plugged in are more than this host's {Size(hostBytes)} of RAM and swap; give a smaller max with --memory.");
        CpuTopology cpus = definition.Cpus;
        if (cpus.Sockets < 1 || cpus.Dies < 1 || cpus.Cores < 1 || cpus.Threads < 1)
            throw new ConfigException("A CPU topology needs at least one socket, die, core and thread; correct --cpus.");
        // Each factor alone is checked first, so that the product cannot wrap.
        bool many = cpus.Sockets > MostVcpus || cpus.Dies > MostVcpus || cpus.Cores > MostVcpus || cpus.Threads > MostVcpus;
        if (many || cpus.VcpuCount > MostVcpus)
            throw new ConfigException($"The machine would have more than {MostVcpus} vCPUs, the most that is supported; give fewer with --cpus.");
        if (cpus.HighestApicId > HighestXApicId)
            throw new ConfigException($"With this topology APIC ids go up to {cpus.HighestApicId}, and {HighestXApicId} is the highest; use powers of two for dies, cores and threads in --cpus.");
        if ((definition.AbsentVcpus & 1) != 0 || (definition.AbsentVcpus & ~(ulong.MaxValue >> (MostVcpus - cpus.VcpuCount))) != 0)
            throw new ConfigException("The first vCPU is always plugged in, and there are none to be absent but those of the topology; correct --cpus.");
        NumaLimits.Check(definition);
        HashSet<string> names = [];
        foreach (DeviceConfig device in definition.Devices)
            if (!names.Add(device.Id))
                throw new ConfigException($"Two devices are named '{device.Id}'; give each its own name.");
    }

    private static string Size(ulong bytes) => bytes < 1UL << 20 ? $"{bytes} bytes" : $"{bytes >> 20} MiB";
}
