namespace Hutch.Model.Machine;

/// <summary>A virtio input device (virtio 1.2 §5.8).</summary>
/// <param name="Id">Device name.</param>
/// <param name="Kind">What it is.</param>
public sealed record VirtioInputConfig(string Id, VirtioInputKind Kind) : DeviceConfig(Id);

/// <summary>Kinds of <see cref="VirtioInputConfig"/>.</summary>
public enum VirtioInputKind
{
    /// <summary>A keyboard.</summary>
    Keyboard,

    /// <summary>A mouse, which tells of motion.</summary>
    Mouse,

    /// <summary>A tablet, which tells places.</summary>
    Tablet,
}
