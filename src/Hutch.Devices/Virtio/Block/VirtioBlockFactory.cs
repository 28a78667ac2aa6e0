using Hutch.Block;
using Hutch.Block.Graph;
using Hutch.Devices.Virtio.Transport;
using Hutch.Model.Machine;

namespace Hutch.Devices.Virtio.Block;

/// <summary>Makes disks.</summary>
internal sealed class VirtioBlockFactory : IDeviceFactory<VirtioBlockConfig>
{
    /// <inheritdoc/>
    public IDevice Create(VirtioBlockConfig config, MachineServices services)
    {
        BlockNode node;
        try
        {
            node = services.OpenDisk(config.Disk);
        }
        catch (DiskOpenException e)
        {
            throw new ConfigException(e.Message, e);
        }
        return VirtioPci.Create(new VirtioBlock(config.Id, services.Memory, node), services);
    }
}
