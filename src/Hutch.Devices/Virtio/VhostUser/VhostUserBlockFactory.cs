using Hutch.Devices.Virtio.Block;
using Hutch.Devices.Virtio.Transport;
using Hutch.Model.Machine;

namespace Hutch.Devices.Virtio.VhostUser;

/// <summary>Makes disks that other programs have.</summary>
internal sealed class VhostUserBlockFactory : IDeviceFactory<VhostUserBlockConfig>
{
    /// <inheritdoc/>
    public IDevice Create(VhostUserBlockConfig config, MachineServices services)
    {
        byte[] space = new byte[VirtioBlockRegisters.ConfigBytes];
        VhostUserBackend backend = BackendOpener.Open(services, config, config.Path, "qemu-storage-daemon --export vhost-user-blk,addr.path=PATH,...", VhostUserBlock.BackendFeatures, space,
            new BackendQueueSize(VhostUserBlock.QueueEntries, VhostUserBlock.RequestPages));
        return VirtioPci.Create(new VhostUserBlock(config.Id, services.Memory, services.Platform, backend, space), services);
    }
}
