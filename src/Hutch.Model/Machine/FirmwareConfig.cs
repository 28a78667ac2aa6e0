using System.Collections.Immutable;

namespace Hutch.Model.Machine;

/// <summary>Firmware that the machine starts from, with the rest of the chipset that it programs, and what it is told.</summary>
/// <param name="Id">Device name.</param>
/// <param name="ImagePath">The image: it ends at 4 GiB, and is read-only.</param>
public sealed record FirmwareConfig(string Id, string ImagePath) : DeviceConfig(Id)
{
    /// <summary>The file of the flash chip below the image, in which the firmware keeps its variables; null: there is no such chip.</summary>
    public string? VariablesPath { get; init; }

    /// <summary>The firmware offers its menu of boot devices.</summary>
    public bool Menu { get; init; }

    /// <summary>How long it waits for the menu's key in milliseconds; null: as long as it likes.</summary>
    public int? MenuMilliseconds { get; init; }

    /// <summary>Entries of the user's for software in the guest.</summary>
    public ImmutableArray<FwCfgEntry> Entries { get; init; } = [];
}

/// <summary>A file that software in the guest can read from the firmware configuration device.</summary>
/// <param name="Name">Its name, which begins with <c>opt/</c>.</param>
/// <param name="Path">The file on the host, or null.</param>
/// <param name="Text">The content, where there is no file.</param>
public sealed record FwCfgEntry(string Name, string? Path, string? Text)
{
    /// <summary>The longest name in ASCII characters.</summary>
    public const int LongestName = 55;

    /// <summary>The most bytes of content.</summary>
    public const int MostBytes = 1 << 20;
}
