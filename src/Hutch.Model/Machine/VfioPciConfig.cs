using System.Text.Json.Serialization;

namespace Hutch.Model.Machine;

/// <summary>A PCI device of the host that the guest has for itself, bound to the host's driver vfio-pci.</summary>
/// <param name="Id">Device name.</param>
/// <param name="Host">Its address on the host, as in 0000:01:00.0.</param>
/// <param name="RomPath">The image of its ROM; null: that which it has itself.</param>
/// <param name="HasRom">The guest sees a ROM.</param>
public sealed record VfioPciConfig(string Id, string Host, string? RomPath = null, bool HasRom = true) : DeviceConfig(Id)
{
    /// <inheritdoc/>
    [JsonIgnore]
    public override bool KeepsStateElsewhere => true;

    /// <inheritdoc/>
    [JsonIgnore]
    public override bool ReachesMemoryItself => true;
}
