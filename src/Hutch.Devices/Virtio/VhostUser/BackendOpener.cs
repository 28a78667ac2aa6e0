using System;
using Hutch.Host.Linux;
using Hutch.Model.Machine;

namespace Hutch.Devices.Virtio.VhostUser;

/// <summary>Connects a device to its back end, with an operator's sentence for what is in the way.</summary>
internal static class BackendOpener
{
    /// <summary>Connects. Throws <see cref="ConfigException"/>.</summary>
    /// <param name="services">Where sockets come from.</param>
    /// <param name="device">The device.</param>
    /// <param name="path">The back end's socket.</param>
    /// <param name="example">A program that can be one, with PATH for the socket.</param>
    /// <param name="wanted">Features of the device that are to be used, if the back end has them.</param>
    /// <param name="config">Where the device's configuration space goes; empty: the back end does not have it.</param>
    /// <param name="queues">The queues.</param>
    internal static VhostUserBackend Open(MachineServices services, DeviceConfig device, string path, string example, ulong wanted, Span<byte> config, params ReadOnlySpan<BackendQueueSize> queues)
    {
        try
        {
            return VhostUserBackend.Connect(services.Streams, path, wanted, config, queues);
        }
        catch (VhostUserException refused)
        {
            throw new ConfigException($"The device '{device.Id}' has no back end: the program at {path} {refused.Message}. Start one for it, with {example.Replace("PATH", path, StringComparison.Ordinal)}.", refused);
        }
        catch (LinuxException refused)
        {
            throw new ConfigException($"The device '{device.Id}' cannot be made: {refused.Message}", refused);
        }
    }
}
