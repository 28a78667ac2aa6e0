using System.Collections.Immutable;
using System.Linq;
using System.Text.Json.Serialization;

namespace Hutch.Model.Machine;

/// <summary>The SATA controller of an ICH9 and what is plugged into it.</summary>
/// <param name="Id">Device name.</param>
/// <param name="Drives">The drives, in the order of their ports; at most <see cref="PortCount"/>.</param>
public sealed record AhciConfig(string Id, ImmutableArray<AtaDriveConfig> Drives) : DeviceConfig(Id)
{
    /// <summary>Ports that the controller has.</summary>
    public const int PortCount = 6;

    /// <inheritdoc/>
    [JsonIgnore]
    public override bool IsTemporary => Drives.Any(static drive => drive.Disk is { Temporary: true });

    /// <inheritdoc/>
    public override DeviceConfig WithMedium(string drive, DiskConfig? medium) => this with { Drives = AtaDriveConfig.WithMedium(Drives, drive, medium) };
}

/// <summary>A disk or CD-ROM drive of a SATA or IDE controller.</summary>
/// <param name="Id">Its name, unique among the machine's devices.</param>
/// <param name="Disk">The image; null: a CD-ROM drive without a medium.</param>
/// <param name="IsCdRom">It is a CD-ROM drive, and the image the medium in it.</param>
/// <param name="Serial">Its serial number; null: its name.</param>
public sealed record AtaDriveConfig(string Id, DiskConfig? Disk, bool IsCdRom = false, string? Serial = null)
{
    /// <summary>Its place in the order in which firmware tries to boot, lower ones first.</summary>
    public int? BootIndex { get; init; }

    /// <summary>Its place on the controller, from 0: a port, or an IDE channel's first or second device; null: the first free one.</summary>
    public int? Place { get; init; }

    /// <summary>The same drives, with another medium in the one of a name, or none.</summary>
    internal static ImmutableArray<AtaDriveConfig> WithMedium(ImmutableArray<AtaDriveConfig> drives, string name, DiskConfig? medium) =>
        [.. drives.Select(drive => drive.Id == name ? drive with { Disk = medium } : drive)];
}
