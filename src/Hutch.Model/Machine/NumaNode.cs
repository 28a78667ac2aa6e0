namespace Hutch.Model.Machine;

/// <summary>A NUMA node of the guest: vCPUs and a part of its memory that are near to each other. Nodes are numbered in their order, and memory goes to them in it.</summary>
/// <param name="Cpus">The vCPUs, as the kernel writes them: <c>0-3,8</c>; empty: none.</param>
/// <param name="MemoryBytes">How much of the memory that the guest has from the start, in bytes.</param>
/// <param name="HostMemory">Host nodes that this memory comes from, as <see cref="Placement.Numa"/>; null: as all of it.</param>
public sealed record NumaNode(string Cpus, ulong MemoryBytes, string? HostMemory = null);

/// <summary>How far one node's memory is from another node (ACPI 6.5 §5.2.17): 10 is that of a node to itself. It holds for the way back too, unless that has one of its own.</summary>
/// <param name="From">The first node.</param>
/// <param name="To">The second node.</param>
/// <param name="Value">11 to 254; 255: not to be reached.</param>
public sealed record NumaDistance(int From, int To, int Value);
