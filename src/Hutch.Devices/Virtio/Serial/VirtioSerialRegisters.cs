namespace Hutch.Devices.Virtio.Serial;

/// <summary>Numbers of the console device with several ports (virtio 1.2 §5.3).</summary>
internal static class VirtioSerialRegisters
{
    /// <summary>The device type (§5).</summary>
    internal const ushort DeviceType = 3;

    /// <summary>VIRTIO_CONSOLE_F_MULTIPORT (§5.3.3).</summary>
    internal const ulong FeatureMultiport = 1UL << 1;

    /// <summary>Configuration space (§5.3.4): its length, and the largest number of ports.</summary>
    internal const int ConfigBytes = 12, ConfigMostPorts = 4;

    /// <summary>Queues (§5.3.2): those of port 0, those of control messages, then two for each further port.</summary>
    internal const int ControlToDriver = 2, ControlFromDriver = 3, FirstOtherPort = 4;

    /// <summary>struct virtio_console_control: port, event, value (§5.3.6.2).</summary>
    internal const int ControlBytes = 8;

    /// <summary>Events of control messages (§5.3.6.2).</summary>
    internal const ushort DeviceReady = 0, DeviceAdd = 1, PortReady = 3, ConsolePort = 4, PortOpen = 6, PortName = 7;

    /// <summary>The queue that carries bytes to a port's user in the guest; the next one carries them from it.</summary>
    internal static int QueueOf(int port) => port == 0 ? 0 : FirstOtherPort + (2 * (port - 1));
}
