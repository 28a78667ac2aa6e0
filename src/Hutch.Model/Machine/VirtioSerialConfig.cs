using System.Collections.Immutable;

namespace Hutch.Model.Machine;

/// <summary>A virtio console with several ports (virtio 1.2 §5.3).</summary>
/// <param name="Id">Device name.</param>
/// <param name="Ports">Its ports, at most <see cref="MostPorts"/>.</param>
public sealed record VirtioSerialConfig(string Id, ImmutableArray<SerialPortConfig> Ports) : DeviceConfig(Id)
{
    /// <summary>The most ports.</summary>
    public const int MostPorts = 15;
}

/// <summary>A port of a <see cref="VirtioSerialConfig"/>, on a UNIX socket that is listened on; one client at a time.</summary>
/// <param name="Id">Its name among the machine's devices.</param>
/// <param name="Path">The socket.</param>
/// <param name="Name">What the guest calls it, in ASCII; null: it has no name.</param>
/// <param name="IsConsole">The guest makes a console of it (hvc0 of the first).</param>
public sealed record SerialPortConfig(string Id, string Path, string? Name = null, bool IsConsole = false)
{
    /// <summary>The longest name in characters.</summary>
    public const int LongestName = 63;
}
