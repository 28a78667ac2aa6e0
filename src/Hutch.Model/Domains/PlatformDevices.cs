using System.Collections.Immutable;

namespace Hutch.Model.Domains;

/// <summary>A memory balloon: <c>memballoon</c>.</summary>
public sealed record BalloonDevice : DomainDevice
{
    /// <summary><c>virtio</c>, <c>virtio-transitional</c>, <c>virtio-non-transitional</c>, <c>none</c>.</summary>
    public string Model { get; init; } = "virtio";

    /// <summary>Shrinks by itself before the guest runs out of memory.</summary>
    public bool? AutoDeflate { get; init; }

    /// <summary>The guest says what it frees.</summary>
    public bool? FreePageReporting { get; init; }

    /// <summary>Seconds between two statistics; null: none.</summary>
    public uint? StatisticsPeriodSeconds { get; init; }

    /// <summary>virtio's transport.</summary>
    public VirtioOptions? Virtio { get; init; }
}

/// <summary>A source of random numbers: <c>rng</c>.</summary>
public sealed record EntropyDevice : DomainDevice
{
    /// <summary><c>virtio</c>, ...</summary>
    public string Model { get; init; } = "virtio";

    /// <summary>Bytes in a period; null: no limit.</summary>
    public uint? RateBytes { get; init; }

    /// <summary>The period in milliseconds.</summary>
    public uint? RatePeriodMs { get; init; }

    /// <summary><c>random</c>, <c>builtin</c>, <c>egd</c>.</summary>
    public string BackendModel { get; init; } = "random";

    /// <summary>Device of <c>random</c>.</summary>
    public string? Path { get; init; }

    /// <summary>The whole <c>backend</c> of <c>egd</c> as XML text.</summary>
    public string? BackendXml { get; init; }

    /// <summary>virtio's transport.</summary>
    public VirtioOptions? Virtio { get; init; }
}

/// <summary>A watchdog: <c>watchdog</c>.</summary>
public sealed record WatchdogDevice : DomainDevice
{
    /// <summary><c>i6300esb</c>, <c>itco</c>, <c>ib700</c>, <c>diag288</c>.</summary>
    public string Model { get; init; } = "";

    /// <summary><c>reset</c>, <c>shutdown</c>, <c>poweroff</c>, <c>pause</c>, <c>none</c>, <c>dump</c>, <c>inject-nmi</c>; null: reset.</summary>
    public string? Action { get; init; }
}

/// <summary>By which a guest's kernel says that it failed: <c>panic</c>.</summary>
public sealed record PanicDevice : DomainDevice
{
    /// <summary><c>isa</c>, <c>hyperv</c>, ...; null: not said.</summary>
    public string? Model { get; init; }
}

/// <summary>A TPM: <c>tpm</c>.</summary>
public sealed record TpmDevice : DomainDevice
{
    /// <summary><c>tpm-crb</c>, <c>tpm-tis</c>, ...; null: not said.</summary>
    public string? Model { get; init; }

    /// <summary><c>emulator</c>, <c>passthrough</c>, <c>external</c>.</summary>
    public string BackendType { get; init; } = "emulator";

    /// <summary><c>1.2</c> or <c>2.0</c>; null: not said.</summary>
    public string? Version { get; init; }

    /// <summary>Its state outlives an undefined domain.</summary>
    public bool? PersistentState { get; init; }

    /// <summary>Elements of <c>backend</c> that are not modelled.</summary>
    public ImmutableArray<string> BackendKept { get; init; } = [];
}

/// <summary>Sockets between guest and host: <c>vsock</c>.</summary>
public sealed record VsockDevice : DomainDevice
{
    /// <summary><c>virtio</c>, ...; null: not said.</summary>
    public string? Model { get; init; }

    /// <summary>An address is found when the domain starts; null: not said.</summary>
    public bool? AutoCid { get; init; }

    /// <summary>The guest's address, from 3; null: not said.</summary>
    public uint? Cid { get; init; }

    /// <summary>virtio's transport.</summary>
    public VirtioOptions? Virtio { get; init; }
}
