using System.Collections.Immutable;

namespace Hutch.Model.Domains;

/// <summary>The guest's CPU: <c>cpu</c>.</summary>
public sealed record DomainCpu
{
    /// <summary><c>custom</c>, <c>host-model</c>, <c>host-passthrough</c>, <c>maximum</c>; null: not said.</summary>
    public string? Mode { get; init; }

    /// <summary><c>minimum</c>, <c>exact</c>, <c>strict</c>.</summary>
    public string? Match { get; init; }

    /// <summary><c>none</c>, <c>partial</c>, <c>full</c>.</summary>
    public string? Check { get; init; }

    /// <summary>It may be taken to another host; for <c>host-passthrough</c> and <c>maximum</c>.</summary>
    public bool? Migratable { get; init; }

    /// <summary>The model's name.</summary>
    public string? Model { get; init; }

    /// <summary>Another model may take its place: <c>allow</c> or <c>forbid</c>.</summary>
    public string? Fallback { get; init; }

    /// <summary>What the guest is told for a vendor, 12 characters.</summary>
    public string? VendorId { get; init; }

    /// <summary>Vendor that the host must have.</summary>
    public string? Vendor { get; init; }

    /// <summary>Sockets, dies, cores, threads.</summary>
    public DomainTopology? Topology { get; init; }

    /// <summary>Features beside the model's.</summary>
    public ImmutableArray<CpuFeaturePolicy> Features { get; init; } = [];

    /// <summary>The guest's NUMA nodes.</summary>
    public ImmutableArray<NumaCell> NumaCells { get; init; } = [];

    /// <summary>Elements that are not modelled.</summary>
    public ImmutableArray<string> Kept { get; init; } = [];
}

/// <summary>Topology of a CPU.</summary>
/// <param name="Sockets">At least 1.</param>
/// <param name="Dies">In a socket.</param>
/// <param name="Cores">In a die.</param>
/// <param name="Threads">In a core.</param>
public sealed record DomainTopology(int Sockets, int Dies, int Cores, int Threads);

/// <summary>A feature.</summary>
/// <param name="Policy"><c>force</c>, <c>require</c>, <c>optional</c>, <c>disable</c>, <c>forbid</c>; null: not said.</param>
/// <param name="Name">Its name.</param>
public sealed record CpuFeaturePolicy(string? Policy, string Name);

/// <summary>A NUMA node of the guest.</summary>
public sealed record NumaCell
{
    /// <summary>Its number; null: its place in the list.</summary>
    public int? Id { get; init; }

    /// <summary>vCPUs, as libvirt writes sets; null: none.</summary>
    public string? Cpus { get; init; }

    /// <summary>RAM.</summary>
    public ulong MemoryKib { get; init; }

    /// <summary><c>shared</c> or <c>private</c>.</summary>
    public string? MemoryAccess { get; init; }

    /// <summary>The host may discard it when the domain ends.</summary>
    public bool? Discard { get; init; }

    /// <summary>Distances to nodes.</summary>
    public ImmutableArray<NumaDistance> Distances { get; init; } = [];
}

/// <summary>Distance to a node.</summary>
/// <param name="CellId">The node.</param>
/// <param name="Value">10 (the same) to 255 (unreachable).</param>
public sealed record NumaDistance(int CellId, int Value);
