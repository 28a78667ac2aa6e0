using System.Text.Json.Serialization;

namespace Hutch.Model.Machine;

/// <summary>A directory of the host (virtio 1.2 §5.11), which another program serves by the vhost-user protocol.</summary>
/// <param name="Id">Device name.</param>
/// <param name="Path">The UNIX socket on which the program listens.</param>
/// <param name="Tag">What the guest mounts it by: 1 to <see cref="LongestTag"/> bytes of UTF-8.</param>
/// <param name="QueueSize">Entries of each queue, a power of two from <see cref="LeastQueueSize"/> to <see cref="MostQueueSize"/>. Linux makes requests of four pages fewer.</param>
public sealed record VhostUserFsConfig(string Id, string Path, string Tag, int QueueSize = VhostUserFsConfig.UsualQueueSize) : DeviceConfig(Id)
{
    /// <summary>The longest tag in bytes.</summary>
    public const int LongestTag = 36;

    /// <summary>Bounds of the queue's size, and what is usual.</summary>
    public const int LeastQueueSize = 16, MostQueueSize = 1024, UsualQueueSize = 128;

    /// <inheritdoc/>
    [JsonIgnore]
    public override bool KeepsStateElsewhere => true;
}
