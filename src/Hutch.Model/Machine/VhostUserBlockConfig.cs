using System.Text.Json.Serialization;

namespace Hutch.Model.Machine;

/// <summary>A virtio block device (virtio 1.2 §5.2) whose disk another program has, by the vhost-user protocol.</summary>
/// <param name="Id">Device name.</param>
/// <param name="Path">The UNIX socket on which the program listens.</param>
public sealed record VhostUserBlockConfig(string Id, string Path) : DeviceConfig(Id)
{
    /// <inheritdoc/>
    [JsonIgnore]
    public override bool KeepsStateElsewhere => true;
}
