namespace Hutch.Model.Machine;

/// <summary>A NUMA node of the guest: vCPUs and a part of its memory that are near to each other. Nodes are numbered in their order, and memory goes to them in it.</summary>
/// <param name="Cpus">The vCPUs, as the kernel writes them: <c>0-3,8</c>; empty: none.</param>
/// <param name="MemoryBytes">How much of the memory that the guest has from the start, in bytes.</param>
/// <param name="HostMemory">Host nodes that this memory comes from, as <see cref="Placement.Numa"/>; null: as all of it.</param>
public sealed record NumaNode(string Cpus, ulong MemoryBytes, string? HostMemory = null)
{
    /// <summary>This memory is offered for merging, or is not; null: as all of it (<see cref="Placement.Mergeable"/>).</summary>
    public bool? Mergeable { get; init; }

    /// <summary>This memory becomes transparent huge pages, or does not; null: as all of it (<see cref="Placement.TransparentHugePages"/>).</summary>
    public bool? TransparentHugePages { get; init; }
}

/// <summary>How far one node's memory is from another node (ACPI 6.5 §5.2.17): 10 is that of a node to itself. It holds for the way back too, unless that has one of its own.</summary>
/// <param name="From">The first node.</param>
/// <param name="To">The second node.</param>
/// <param name="Value">11 to 254; 255: not to be reached.</param>
public sealed record NumaDistance(int From, int To, int Value);

/// <summary>How fast one node's vCPUs reach a node's memory (ACPI 6.5 §5.2.28.4).</summary>
/// <param name="Initiator">The node with the vCPUs.</param>
/// <param name="Target">The node with the memory; it may be the same.</param>
/// <param name="LatencyNanoseconds">How long a read or a write takes, up to <see cref="MostLatency"/>; 0: nobody said.</param>
/// <param name="BandwidthMegabytes">How much can be read or written, in 10^6 bytes a second, up to <see cref="MostBandwidth"/>; 0: nobody said.</param>
public sealed record NumaAccess(int Initiator, int Target, int LatencyNanoseconds, int BandwidthMegabytes)
{
    /// <summary>The largest values: what a table can say, and what a guest's kernel can count.</summary>
    public const int MostLatency = 65_534, MostBandwidth = 1_000_000_000;
}
