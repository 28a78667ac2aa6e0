using System.Collections.Immutable;

namespace Hutch.Model.Domains;

/// <summary>vCPUs of a domain.</summary>
public sealed record DomainVcpus
{
    /// <summary>The most that it can have.</summary>
    public int Maximum { get; init; } = 1;

    /// <summary>Those that it has; null: all.</summary>
    public int? Current { get; init; }

    /// <summary><c>static</c> or <c>auto</c>; null: not said.</summary>
    public string? Placement { get; init; }

    /// <summary>Host CPUs that they may run on, as libvirt writes sets; null: all.</summary>
    public string? CpuSet { get; init; }

    /// <summary>Each of them; empty: not said.</summary>
    public ImmutableArray<VcpuState> Each { get; init; } = [];
}

/// <summary>One vCPU.</summary>
/// <param name="Id">Its number.</param>
/// <param name="Enabled">It is plugged in.</param>
/// <param name="Hotpluggable">It can be pulled out; null: not said.</param>
/// <param name="Order">When it was plugged in; null: not said.</param>
public sealed record VcpuState(int Id, bool Enabled, bool? Hotpluggable, int? Order);
