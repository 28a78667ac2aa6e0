using System;

namespace Hutch.Management.Domains;

/// <summary>A domain and what it does at this moment.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Uuid">Identifies it for as long as it is known.</param>
/// <param name="State">What it does.</param>
public sealed record Domain(string Name, Guid Uuid, DomainState State)
{
    /// <summary>The id of a domain that does not run.</summary>
    public const int NoId = -1;

    /// <summary>Identifies it while it runs: its process; else <see cref="NoId"/>.</summary>
    public int Id { get; init; } = NoId;

    /// <summary>Why it is in its state.</summary>
    public DomainCause Cause { get; init; }

    /// <summary>Why it is paused, where nobody told it to; a sentence.</summary>
    public string? Reason { get; init; }

    /// <summary>vCPUs that are plugged in.</summary>
    public int Vcpus { get; init; }

    /// <summary>vCPUs that it can have.</summary>
    public int MostVcpus { get; init; }

    /// <summary>Guest RAM, with what is plugged in.</summary>
    public ulong MemoryBytes { get; init; }

    /// <summary>The most guest RAM that it can have.</summary>
    public ulong MostMemoryBytes { get; init; }

    /// <summary>CPU time of its process, in nanoseconds.</summary>
    public ulong CpuNanoseconds { get; init; }

    /// <summary>A definition is kept, from which it can be started again.</summary>
    public bool IsPersistent { get; init; }

    /// <summary>It is started with the daemon.</summary>
    public bool Autostart { get; init; }

    /// <summary>Whether it runs or is paused.</summary>
    public bool IsActive => State != DomainState.ShutOff;
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

    /// <summary>It has no machine.</summary>
    ShutOff,
}

/// <summary>What brought a domain into its state.</summary>
public enum DomainCause
{
    /// <summary>Nobody knows: it was so when the daemon started.</summary>
    Unknown,

    /// <summary>It was started.</summary>
    Booted,

    /// <summary>Somebody asked for it.</summary>
    Asked,

    /// <summary>Its guest did it.</summary>
    Guest,

    /// <summary>Its storage failed.</summary>
    StorageFailed,

    /// <summary>Its state was saved.</summary>
    Saved,

    /// <summary>Its process was killed, or could not go on.</summary>
    Crashed,
}
