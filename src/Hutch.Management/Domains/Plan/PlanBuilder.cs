using System.Collections.Generic;
using System.Collections.Immutable;
using Hutch.Model.Domains;
using Hutch.Model.Machine;

namespace Hutch.Management.Domains.Plan;

/// <summary>Where the files of a machine belong.</summary>
/// <param name="Machine">Its name.</param>
/// <param name="Folder">For as long as it runs.</param>
/// <param name="Variables">Its firmware's variables, where the definition names none.</param>
internal sealed record PlanPlaces(string Machine, string Folder, string Variables);

/// <summary>A file that must be there before a machine starts; for its user alone.</summary>
/// <param name="Path">Where.</param>
/// <param name="Content">What is in it.</param>
/// <param name="CopyOf">A file that it begins as a copy of, where it is not there yet; null: it is written anew with <paramref name="Content"/>.</param>
internal sealed record PlanFile(string Path, ImmutableArray<byte> Content, string? CopyOf = null);

/// <summary>A machine in the making.</summary>
internal sealed class PlanBuilder(DomainDefinition definition, PlanPlaces places, MachineKind kind)
{
    internal DomainDefinition Definition => definition;

    internal PlanPlaces Places => places;

    internal MachineKind Kind => kind;

    /// <summary>The machine's devices.</summary>
    internal List<DeviceConfig> Devices { get; } = [];

    /// <summary>The definition's devices, with what was chosen for this start.</summary>
    internal List<DomainDevice> Live { get; } = [.. definition.Devices];

    /// <summary>Files that must be there.</summary>
    internal List<PlanFile> Files { get; } = [];

    /// <summary>Where the screen is served.</summary>
    internal VncConfig? Vnc { get; set; }

    /// <summary>Whether firmware boots, and not a kernel directly.</summary>
    internal bool HasFirmware => definition.Os.Kernel is null;

    /// <summary>Whether that is UEFI.</summary>
    internal bool IsUefi => HasFirmware && (definition.Os.Firmware == "efi" || definition.Os.Loader is { Type: "pflash" });

    internal IEnumerable<TDevice> All<TDevice>()
        where TDevice : DomainDevice => definition.Devices.OfType<TDevice>();

    /// <summary>Replaces a device of the definition by what it is while the domain runs.</summary>
    internal void Replace(DomainDevice old, DomainDevice now) => Live[Live.FindIndex(device => ReferenceEquals(device, old))] = now;
}
