using System;
using System.Collections.Immutable;

namespace Hutch.Model.Domains;

/// <summary>
/// A domain as libvirt's documents describe one (formatdomain), and as hutchd keeps it. Words such as a bus or a mode are libvirt's own, as text; memory is in KiB. Null and empty mean "not said": what is filled in when
/// a domain is defined is the business of <c>Hutch.Management.Domains.Defaults</c>. What only a domain that runs has (aliases, terminals, ports) is in the same records, and null otherwise.
/// </summary>
/// <remarks>
/// Nothing of a document is lost: what has no property is in the <c>Kept</c> of the record of the element that encloses it, each an element as XML text; what can be neither modelled nor kept is refused when it is read.
/// Two definitions are the same where <see cref="DomainJson.AreSame(DomainDefinition, DomainDefinition)"/> says so; the <c>==</c> of the records compares lists by reference.
/// </remarks>
public sealed record DomainDefinition
{
    /// <summary>What executes it: <c>qemu</c> (software) or <c>kvm</c>; others are read and cannot be defined.</summary>
    public string Type { get; init; } = "qemu";

    /// <summary>Its name.</summary>
    public string Name { get; init; } = "";

    /// <summary>Its UUID; empty: none yet.</summary>
    public Guid Uuid { get; init; }

    /// <summary>Generation identifier of the guest; empty: one is to be made. Null: it has none.</summary>
    public Guid? GenerationId { get; init; }

    /// <summary>A short description.</summary>
    public string? Title { get; init; }

    /// <summary>A description.</summary>
    public string? Description { get; init; }

    /// <summary>The children of <c>metadata</c>, each as XML text with its namespaces.</summary>
    public ImmutableArray<string> Metadata { get; init; } = [];

    /// <summary>RAM.</summary>
    public DomainMemory Memory { get; init; } = new();

    /// <summary>How RAM is backed on the host; null: as the host likes.</summary>
    public MemoryBacking? MemoryBacking { get; init; }

    /// <summary>vCPUs.</summary>
    public DomainVcpus Vcpus { get; init; } = new();

    /// <summary>How many I/O threads; null: not said.</summary>
    public int? IoThreads { get; init; }

    /// <summary>Where threads run.</summary>
    public CpuTune? CpuTune { get; init; }

    /// <summary>Where memory comes from.</summary>
    public NumaTune? NumaTune { get; init; }

    /// <summary>SMBIOS strings.</summary>
    public ImmutableArray<SystemInformation> SystemInformation { get; init; } = [];

    /// <summary>What it boots.</summary>
    public DomainOs Os { get; init; } = new();

    /// <summary>Features of the machine; null: none are said.</summary>
    public DomainFeatures? Features { get; init; }

    /// <summary>The guest's CPU; null: not said.</summary>
    public DomainCpu? Cpu { get; init; }

    /// <summary>Clocks.</summary>
    public DomainClock Clock { get; init; } = new();

    /// <summary>What follows when the guest switches itself off: <c>destroy</c>, <c>restart</c>, <c>preserve</c>, <c>rename-restart</c>.</summary>
    public string? OnPoweroff { get; init; }

    /// <summary>What follows when the guest resets itself.</summary>
    public string? OnReboot { get; init; }

    /// <summary>What follows when the guest's kernel fails; also <c>coredump-destroy</c>, <c>coredump-restart</c>.</summary>
    public string? OnCrash { get; init; }

    /// <summary>Path of the emulator as clients know it; it is not executed.</summary>
    public string? Emulator { get; init; }

    /// <summary>Devices, grouped by kind as libvirt prints them; within a kind in the order of the document.</summary>
    public ImmutableArray<DomainDevice> Devices { get; init; } = [];

    /// <summary>Elements that are not modelled.</summary>
    public ImmutableArray<string> Kept { get; init; } = [];
}
