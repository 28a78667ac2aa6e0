using System.Numerics;
using System.Text;
using Hutch.Devices.Virtio.Transport;
using Hutch.Model.Machine;

namespace Hutch.Devices.Virtio.VhostUser;

/// <summary>Makes file system devices.</summary>
internal sealed class VhostUserFsFactory : IDeviceFactory<VhostUserFsConfig>
{
    /// <inheritdoc/>
    public IDevice Create(VhostUserFsConfig config, MachineServices services)
    {
        int tagBytes = Encoding.UTF8.GetByteCount(config.Tag);
        if (tagBytes is 0 or > VhostUserFsConfig.LongestTag) throw new ConfigException($"The tag of the device '{config.Id}' has {tagBytes} bytes; choose one of 1 to {VhostUserFsConfig.LongestTag}.");
        if (config.QueueSize is < VhostUserFsConfig.LeastQueueSize or > VhostUserFsConfig.MostQueueSize || !BitOperations.IsPow2(config.QueueSize))
            throw new ConfigException($"The queues of the device '{config.Id}' have {config.QueueSize} entries; choose a power of two from {VhostUserFsConfig.LeastQueueSize} to {VhostUserFsConfig.MostQueueSize}.");
        VhostUserBackend backend = BackendOpener.Open(services, config, config.Path, "virtiofsd --socket-path=PATH", wanted: 0, [],
            new BackendQueueSize(config.QueueSize, VhostUserFs.PriorityPages), new BackendQueueSize(config.QueueSize, VhostUserFs.RequestPages));
        return VirtioPci.Create(new VhostUserFs(config, services.Memory, services.Platform, backend), services);
    }
}
