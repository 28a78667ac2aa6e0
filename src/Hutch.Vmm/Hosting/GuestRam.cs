using System;
using System.Linq;
using Hutch.Core.Memory;
using Hutch.Devices;
using Hutch.Host.Files;
using Hutch.Host.Linux;
using Hutch.Host.Memory;
using Hutch.Host.Scheduling;
using Hutch.Host.Trials;
using Hutch.Model.Machine;

namespace Hutch.Vmm.Hosting;

/// <summary>Guest RAM as its definition wants it kept: from which pages, from which nodes, taken at once, locked, merged.</summary>
internal static class GuestRam
{
    private const int MostThreads = 16;

    /// <summary>Creates it. Throws <see cref="ConfigException"/> with what the host lacks.</summary>
    /// <param name="definition">Says how much, and how it is kept.</param>
    /// <param name="preferHugePages">The engine runs better on transparent huge pages; taken unless pages are to be merged, which is done by pages of 4 KiB.</param>
    internal static GuestMemory Create(MachineDefinition definition, bool preferHugePages)
    {
        Placement placement = definition.Placement;
        if (definition.PluggableBytes != 0 && (placement.HugePageBytes != 0 || placement.Prealloc || placement.Locked))
            throw new ConfigException("Memory that can be plugged in is given to the guest piece by piece: leave out max= of --memory, or do without --prealloc, --memory-lock and --huge-pages 2M or 1G.");
        GuestMemory memory = Map(definition, preferHugePages && !placement.Mergeable);
        try
        {
            if (placement.Numa is not null) Bind(memory, placement.Numa);
            if (placement.Mergeable) SetMergeable(memory, true);
            PlaceNodes(memory, definition);
            if (placement.Prealloc) Populate(memory, Math.Clamp(definition.Cpus.VcpuCount, 1, Math.Min(MostThreads, Environment.ProcessorCount)));
            if (placement.Locked) SetLocked(memory, true);
            return memory;
        }
        catch
        {
            memory.Dispose();
            throw;
        }
    }

    /// <summary>Nothing is asked of its pages, so that a file's can take their place.</summary>
    internal static bool IsOrdinary(MachineDefinition definition) =>
        definition.Placement is { HugePageBytes: 0, TransparentHugePages: false, Numa: null, Mergeable: false, Prealloc: false, Locked: false }
        && definition.NumaNodes.All(static node => node is { HostMemory: null, Mergeable: null, TransparentHugePages: null });

    /// <summary>Locks the memory or lets it go. Throws <see cref="ConfigException"/>.</summary>
    internal static void SetLocked(GuestMemory memory, bool locked)
    {
        if (locked && memory.PluggableBytes != 0) throw new ConfigException("Memory that can be plugged in cannot be locked; start the machine without max= of --memory for that.");
        try
        {
            memory.SetLocked(locked);
        }
        catch (LinuxException refused)
        {
            ulong limit = SystemTrials.Limit(LimitedResource.LockedMemory).Soft;
            throw new ConfigException($"{memory.LengthBytes >> 20} MiB of guest memory cannot be locked ({refused.Call}: errno {refused.Errno}): this user may lock {(limit == ulong.MaxValue ? "any amount" : $"{limit >> 20} MiB")}; raise memlock in /etc/security/limits.conf, or do without --memory-lock.", refused);
        }
    }

    /// <summary>Offers the memory for merging or takes it back. Throws <see cref="ConfigException"/>.</summary>
    internal static void SetMergeable(GuestMemory memory, bool mergeable) => SetMergeable(memory, mergeable, 0, memory.LengthBytes, "--ksm");

    /// <summary>Lets the memory become huge pages in time, or no more of it. Throws <see cref="ConfigException"/>.</summary>
    internal static void SetTransparentHugePages(GuestMemory memory, bool huge) => SetTransparentHugePages(memory, huge, 0, memory.LengthBytes, "--huge-pages");

    private static void SetMergeable(GuestMemory memory, bool mergeable, ulong start, ulong lengthBytes, string option)
    {
        try
        {
            memory.SetMergeable(mergeable, start, lengthBytes);
        }
        catch (LinuxException refused)
        {
            throw new ConfigException($"Guest memory cannot be offered for merging (errno {refused.Errno}): the host's kernel has no KSM, or the memory is of huge pages; do without {option}.", refused);
        }
    }

    private static void SetTransparentHugePages(GuestMemory memory, bool huge, ulong start, ulong lengthBytes, string option)
    {
        try
        {
            memory.SetTransparentHugePages(huge, start, lengthBytes);
        }
        catch (LinuxException refused)
        {
            throw new ConfigException($"Guest memory cannot be of transparent huge pages (errno {refused.Errno}): the host's kernel has none, or the memory is of huge pages already; do without {option}.", refused);
        }
    }

    private static GuestMemory Map(MachineDefinition definition, bool preferHugePages)
    {
        (ulong bytes, Placement placement) = (definition.MemoryBytes, definition.Placement);
        ulong page = placement.HugePageBytes;
        if (page == 0) return GuestMemory.Create(bytes, definition.PluggableBytes, placement.TransparentHugePages || preferHugePages);
        if (page is not (2UL << 20 or 1UL << 30)) throw new ConfigException($"There are no huge pages of {page} bytes; use 2M or 1G.");
        if (bytes % page != 0) throw new ConfigException($"Guest memory of {bytes >> 20} MiB is no multiple of a huge page of {page >> 20} MiB; round it with --memory.");
        try
        {
            return GuestMemory.Create(bytes, poolPageBytes: page);
        }
        catch (LinuxException refused)
        {
            string folder = $"/sys/kernel/mm/hugepages/hugepages-{page >> 10}kB/";
            ulong needed = bytes / page, all = Number(folder + "nr_hugepages"), free = Number(folder + "free_hugepages") - Number(folder + "resv_hugepages");
            throw new ConfigException($"Guest memory of {bytes >> 20} MiB takes {needed} huge pages of {page >> 20} MiB and {free} are free ({refused.Call}: errno {refused.Errno}); reserve them as root with: echo {all - free + needed} > {folder}nr_hugepages", refused);
        }
    }

    private static void Populate(GuestMemory memory, int threads)
    {
        try
        {
            memory.Populate(threads);
        }
        catch (LinuxException refused)
        {
            throw new ConfigException($"{memory.LengthBytes >> 20} MiB of guest memory cannot be taken at once (errno {refused.Errno}): the host, its nodes or the control group have no more; give less with --memory, or do without --prealloc.", refused);
        }
    }

    /// <summary>Takes the memory from nodes, and moves what lies on others. Throws <see cref="ConfigException"/>.</summary>
    /// <param name="memory">Guest RAM.</param>
    /// <param name="text">Policy and nodes, as <see cref="Placement.Numa"/>.</param>
    internal static void Bind(GuestMemory memory, string text) => Bind(memory, text, 0, memory.LengthBytes);

    // What is said of a node's memory goes before what is said of all.
    private static void PlaceNodes(GuestMemory memory, MachineDefinition definition)
    {
        ulong start = 0;
        foreach (NumaNode node in definition.NumaNodes)
        {
            if (node.HostMemory is not null) Bind(memory, node.HostMemory, start, node.MemoryBytes);
            if (node.Mergeable is bool mergeable) SetMergeable(memory, mergeable, start, node.MemoryBytes, "merge= of --numa node");
            if (node.TransparentHugePages is bool huge) SetTransparentHugePages(memory, huge, start, node.MemoryBytes, "huge-pages= of --numa node");
            start += node.MemoryBytes;
        }
    }

    private static void Bind(GuestMemory memory, string text, ulong start, ulong lengthBytes)
    {
        string[] parts = text.Split(':', 2);
        NumaMode? mode = parts[0] switch { "bind" => NumaMode.Bind, "preferred" => NumaMode.Preferred, "interleave" => NumaMode.Interleave, _ => null };
        CpuSet? nodes = parts.Length == 2 ? CpuSet.Parse(parts[1]) : null;
        if (mode is null || nodes is null) throw new ConfigException($"'{text}' is no memory policy; write bind:NODES, preferred:NODE or interleave:NODES after --numa.");
        try
        {
            memory.Bind(mode.Value, nodes, start, lengthBytes);
        }
        catch (LinuxException refused)
        {
            throw new ConfigException($"Guest memory cannot come from NUMA nodes {nodes} (errno {refused.Errno}): this host has nodes {KernelFile.Text("/sys/devices/system/node/has_memory")}; choose from these with --numa.", refused);
        }
    }

    private static ulong Number(string path) => ulong.TryParse(KernelFile.Text(path), out ulong number) ? number : 0;
}
