using System.Collections.Immutable;

namespace Hutch.Model.Domains;

/// <summary>RAM of a domain in KiB.</summary>
public sealed record DomainMemory
{
    /// <summary>RAM at the start, with memory devices: <c>memory</c>.</summary>
    public ulong TotalKib { get; init; }

    /// <summary>What the balloon leaves to the guest: <c>currentMemory</c>; null: all.</summary>
    public ulong? CurrentKib { get; init; }

    /// <summary>To what it may grow by plugging: <c>maxMemory</c>; null: it may not.</summary>
    public ulong? MaximumKib { get; init; }

    /// <summary>Slots for plugging, with <see cref="MaximumKib"/>.</summary>
    public uint? Slots { get; init; }

    /// <summary>Whether core dumps have the guest's memory; null: not said.</summary>
    public bool? DumpCore { get; init; }
}

/// <summary>How RAM is backed: <c>memoryBacking</c>.</summary>
public sealed record MemoryBacking
{
    /// <summary>It is of huge pages.</summary>
    public bool HugePages { get; init; }

    /// <summary>Of which size for which guest node; empty with <see cref="HugePages"/>: of the host's default.</summary>
    public ImmutableArray<HugePage> Pages { get; init; } = [];

    /// <summary>The host must not merge it.</summary>
    public bool NoSharePages { get; init; }

    /// <summary>It stays in RAM.</summary>
    public bool Locked { get; init; }

    /// <summary><c>anonymous</c>, <c>file</c>, <c>memfd</c>; null: not said.</summary>
    public string? SourceType { get; init; }

    /// <summary><c>shared</c>, <c>private</c>; null: not said.</summary>
    public string? AccessMode { get; init; }

    /// <summary><c>immediate</c>, <c>ondemand</c>; null: not said.</summary>
    public string? AllocationMode { get; init; }

    /// <summary>Threads that allocate; null: not said.</summary>
    public uint? AllocationThreads { get; init; }

    /// <summary>The host may discard it when the domain ends.</summary>
    public bool Discard { get; init; }
}

/// <summary>Huge pages of a size.</summary>
/// <param name="SizeKib">Size of a page.</param>
/// <param name="NodeSet">Guest nodes, as libvirt writes sets (<c>0-1,3</c>); null: all.</param>
public sealed record HugePage(ulong SizeKib, string? NodeSet);
