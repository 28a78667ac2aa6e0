using System;

namespace Hutch.Management.Domains;

/// <summary>A domain and what it does at this moment.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Uuid">Identifies it for as long as it is known.</param>
/// <param name="Id">Identifies it while it runs: its process.</param>
/// <param name="State">What it does.</param>
/// <param name="Reason">Why it is paused, where nobody told it to; a sentence.</param>
/// <param name="Vcpus">vCPUs that are plugged in.</param>
/// <param name="MemoryBytes">Guest RAM, with what is plugged in.</param>
/// <param name="Engine">What executes it: <c>software</c> or <c>kvm</c>.</param>
public sealed record Domain(string Name, Guid Uuid, int Id, DomainState State, string? Reason, int Vcpus, ulong MemoryBytes, string Engine)
{
    /// <summary>CPU time of its process, in nanoseconds.</summary>
    public ulong CpuNanoseconds { get; init; }
}

/// <summary>What a domain does.</summary>
public enum DomainState
{
    /// <summary>Its vCPUs run.</summary>
    Running,

    /// <summary>Its vCPUs stand.</summary>
    Paused,

    /// <summary>Its state is being written; its vCPUs stand.</summary>
    Saving,
}
