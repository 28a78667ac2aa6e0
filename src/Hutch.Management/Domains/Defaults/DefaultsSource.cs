using System;

namespace Hutch.Management.Domains.Defaults;

/// <summary>What defaults are made of.</summary>
public sealed record DefaultsSource
{
    /// <summary>Makes a UUID.</summary>
    public required Func<Guid> NewUuid { get; init; }

    /// <summary>Makes a MAC address that no other domain has: <c>52:54:00:12:34:56</c>.</summary>
    public required Func<string> NewMac { get; init; }

    /// <summary>Path of the emulator that clients are told.</summary>
    public string Emulator { get; init; } = "/usr/bin/qemu-system-x86_64";

    /// <summary>Canonical name of the machine <c>q35</c>.</summary>
    public string ExpressMachine { get; init; } = "pc-q35-7.2";

    /// <summary>Canonical name of the machine <c>pc</c>.</summary>
    public string PcMachine { get; init; } = "pc-i440fx-7.2";
}
