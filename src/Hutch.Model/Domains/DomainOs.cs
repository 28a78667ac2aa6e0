using System.Collections.Immutable;

namespace Hutch.Model.Domains;

/// <summary>What a domain boots: <c>os</c>.</summary>
public sealed record DomainOs
{
    /// <summary><c>hvm</c>; others are read and cannot be defined.</summary>
    public string Type { get; init; } = "hvm";

    /// <summary>Architecture; null: the host's.</summary>
    public string? Arch { get; init; }

    /// <summary>Kind of machine, by an alias (<c>q35</c>) or a canonical name (<c>pc-q35-7.2</c>).</summary>
    public string? Machine { get; init; }

    /// <summary>Firmware that is to be found: <c>bios</c>, <c>efi</c>; null: <see cref="Loader"/> says it.</summary>
    public string? Firmware { get; init; }

    /// <summary>What that firmware must have or not have.</summary>
    public ImmutableArray<FirmwareFeature> FirmwareFeatures { get; init; } = [];

    /// <summary>Firmware; null: that of the machine.</summary>
    public FirmwareLoader? Loader { get; init; }

    /// <summary>The firmware's variables.</summary>
    public FirmwareVariables? Nvram { get; init; }

    /// <summary>A kernel that is booted directly.</summary>
    public string? Kernel { get; init; }

    /// <summary>Its initial RAM disk.</summary>
    public string? Initrd { get; init; }

    /// <summary>Its command line.</summary>
    public string? CommandLine { get; init; }

    /// <summary>Its device tree.</summary>
    public string? DeviceTree { get; init; }

    /// <summary>Kinds of devices to boot from, first first: <c>hd</c>, <c>cdrom</c>, <c>network</c>, <c>fd</c>.</summary>
    public ImmutableArray<string> BootDevices { get; init; } = [];

    /// <summary>The boot menu is shown; null: not said.</summary>
    public bool? BootMenu { get; init; }

    /// <summary>For how long, in milliseconds.</summary>
    public uint? BootMenuTimeoutMs { get; init; }

    /// <summary>The BIOS prints on the serial port.</summary>
    public bool? BiosUsesSerial { get; init; }

    /// <summary>When the BIOS starts again where nothing boots, in milliseconds; -1: never.</summary>
    public int? BiosRebootTimeoutMs { get; init; }

    /// <summary>Whose SMBIOS strings: <c>emulate</c>, <c>host</c>, <c>sysinfo</c>.</summary>
    public string? Smbios { get; init; }

    /// <summary>Elements that are not modelled.</summary>
    public ImmutableArray<string> Kept { get; init; } = [];
}

/// <summary>What firmware must have.</summary>
/// <param name="Name"><c>secure-boot</c> or <c>enrolled-keys</c>.</param>
/// <param name="Enabled">Whether it has it.</param>
public sealed record FirmwareFeature(string Name, bool Enabled);

/// <summary>A file of firmware.</summary>
public sealed record FirmwareLoader
{
    /// <summary>Its path; null where the rest constrains what is found.</summary>
    public string? Path { get; init; }

    /// <summary>The guest cannot write it.</summary>
    public bool? ReadOnly { get; init; }

    /// <summary>Secure boot needs it.</summary>
    public bool? Secure { get; init; }

    /// <summary><c>rom</c> or <c>pflash</c>.</summary>
    public string? Type { get; init; }

    /// <summary>It has no variables.</summary>
    public bool? Stateless { get; init; }

    /// <summary>Format of the file: <c>raw</c>, <c>qcow2</c>.</summary>
    public string? Format { get; init; }
}

/// <summary>A file of a firmware's variables.</summary>
/// <param name="Path">Its path; null: hutchd chooses one.</param>
/// <param name="Template">What it is a copy of at first.</param>
/// <param name="Format">Format of the file.</param>
public sealed record FirmwareVariables(string? Path, string? Template, string? Format);

/// <summary>Strings for the guest: <c>sysinfo</c>.</summary>
public sealed record SystemInformation
{
    /// <summary><c>smbios</c> or <c>fwcfg</c>.</summary>
    public string Type { get; init; } = "smbios";

    /// <summary>Structures.</summary>
    public ImmutableArray<SystemTable> Tables { get; init; } = [];

    /// <summary>Entries of type <c>fwcfg</c>.</summary>
    public ImmutableArray<SystemEntry> Entries { get; init; } = [];
}

/// <summary>An SMBIOS structure.</summary>
/// <param name="Name"><c>bios</c>, <c>system</c>, <c>baseBoard</c>, <c>chassis</c>, <c>oemStrings</c>.</param>
/// <param name="Entries">Its strings; those of <c>oemStrings</c> have no name.</param>
public sealed record SystemTable(string Name, ImmutableArray<SystemEntry> Entries);

/// <summary>A string.</summary>
/// <param name="Name">Which.</param>
/// <param name="Value">The string.</param>
/// <param name="File">A file that has it, for <c>fwcfg</c>.</param>
public sealed record SystemEntry(string? Name, string Value, string? File);
