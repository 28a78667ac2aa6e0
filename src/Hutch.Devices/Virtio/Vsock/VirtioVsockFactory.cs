using System;
using System.IO;
using Hutch.Devices.Virtio.Transport;
using Hutch.Host.Linux;
using Hutch.Model.Machine;

namespace Hutch.Devices.Virtio.Vsock;

/// <summary>Makes sockets between guest and host.</summary>
internal sealed class VirtioVsockFactory : IDeviceFactory<VirtioVsockConfig>
{
    /// <inheritdoc/>
    public IDevice Create(VirtioVsockConfig config, MachineServices services)
    {
        if (config.Cid is < VirtioVsockConfig.LeastCid or > VirtioVsockConfig.MostCid)
            throw new ConfigException($"The device '{config.Id}' has the context id {config.Cid}; choose one from {VirtioVsockConfig.LeastCid} to {VirtioVsockConfig.MostCid}.");
        return VirtioPci.Create(new VirtioVsock(config.Id, services.Memory, config.Cid, Listen(config, services)), services);
    }

    private static VsockHost Listen(VirtioVsockConfig config, MachineServices services)
    {
        try
        {
            return new VsockHost(config.Cid, config.Path, services.Streams);
        }
        catch (Exception refused) when (refused is IOException or UnauthorizedAccessException or LinuxException)
        {
            throw new ConfigException($"The device '{config.Id}' cannot listen on {config.Path} ({refused.Message.TrimEnd('.')}); check its directory, or whether another machine has it.", refused);
        }
    }
}
