using System.Collections.Immutable;
using System.Linq;
using System.Text.Json.Serialization;

namespace Hutch.Model.Machine;

/// <summary>The IDE controller of a PIIX3 and what is plugged into it. Only a machine of the kind <see cref="MachineKind.Pc"/> has one.</summary>
/// <param name="Id">Device name.</param>
/// <param name="Drives">The drives; places 0 and 1 are the first channel's devices, 2 and 3 the second one's. At most <see cref="DriveCount"/>.</param>
public sealed record IdeConfig(string Id, ImmutableArray<AtaDriveConfig> Drives) : DeviceConfig(Id)
{
    /// <summary>Drives that the controller can have.</summary>
    public const int DriveCount = 4;

    /// <inheritdoc/>
    [JsonIgnore]
    public override bool IsTemporary => Drives.Any(static drive => drive.Disk is { Temporary: true });

    /// <inheritdoc/>
    public override DeviceConfig WithMedium(string drive, DiskConfig? medium) => this with { Drives = AtaDriveConfig.WithMedium(Drives, drive, medium) };
}
