using System.Collections.Immutable;

namespace Hutch.Model.Domains;

/// <summary>Features of a machine: <c>features</c>. Null: not said.</summary>
public sealed record DomainFeatures
{
    /// <summary>ACPI.</summary>
    public bool Acpi { get; init; }

    /// <summary>APICs.</summary>
    public bool Apic { get; init; }

    /// <summary>Paravirtual end of interrupt.</summary>
    public bool? ApicEoi { get; init; }

    /// <summary>Physical address extension.</summary>
    public bool Pae { get; init; }

    /// <summary>The guest does not see that it runs on KVM.</summary>
    public bool? KvmHidden { get; init; }

    /// <summary>Performance counters.</summary>
    public bool? Pmu { get; init; }

    /// <summary>VMware's port.</summary>
    public bool? VmPort { get; init; }

    /// <summary>System management mode.</summary>
    public bool? Smm { get; init; }

    /// <summary>Size of SMM's extended segment in KiB.</summary>
    public ulong? SmmTsegKib { get; init; }

    /// <summary>Who has the I/O APIC: <c>kvm</c> or <c>qemu</c>.</summary>
    public string? IoApicDriver { get; init; }

    /// <summary>The guest leaves notes for core dumps.</summary>
    public bool? VmCoreInfo { get; init; }

    /// <summary>Elements that are not modelled.</summary>
    public ImmutableArray<string> Kept { get; init; } = [];
}
