using System.Collections.Generic;
using Hutch.Model.Machine;

namespace Hutch.Cli.Commands;

/// <summary>The options of <c>hutch run</c> as they were written; null where one was not given.</summary>
internal sealed record RunRequest
{
    internal string? Image { get; init; }
    internal string? Kernel { get; init; }
    internal string? Initrd { get; init; }
    internal string? Append { get; init; }
    internal string? Machine { get; init; }
    internal string? Memory { get; init; }
    internal string? Cpus { get; init; }
    internal string? Cpu { get; init; }
    internal IReadOnlyList<string> Disks { get; init; } = [];
    internal string? Engine { get; init; }
    internal string? Serial { get; init; }
    internal IReadOnlyList<string> Devices { get; init; } = [];
    internal IReadOnlyList<string> Nets { get; init; } = [];
    internal IReadOnlyList<string> CdRoms { get; init; } = [];
    internal string? Firmware { get; init; }
    internal string? Boot { get; init; }
    internal IReadOnlyList<string> FwCfg { get; init; } = [];
    internal IReadOnlyList<string> Smbios { get; init; } = [];
    internal string? Display { get; init; }
    /// <summary>The values of <c>--numa</c> that are about the guest's nodes.</summary>
    internal IReadOnlyList<string> Numa { get; init; } = [];
    internal bool NoReboot { get; init; }
    internal string? Name { get; init; }
    /// <summary>What a name that was not given begins with; null: it comes from the kernel's or the disk's.</summary>
    internal string? Stem { get; init; }
    internal Placement Placement { get; init; } = Placement.Anywhere;
    internal bool Json { get; init; }
}
