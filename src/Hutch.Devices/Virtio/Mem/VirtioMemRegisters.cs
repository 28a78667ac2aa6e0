namespace Hutch.Devices.Virtio.Mem;

/// <summary>Numbers of the memory device (virtio 1.2 §5.15; linux/virtio_mem.h).</summary>
internal static class VirtioMemRegisters
{
    /// <summary>Device type.</summary>
    internal const ushort DeviceType = 24;

    /// <summary>Feature bit (§5.15.3): memory that is not plugged in must not be touched, not even read.</summary>
    internal const ulong FeatureUnpluggedInaccessible = 1UL << 1;

    /// <summary>Configuration (§5.15.4): block size, region, its usable part, what is plugged in, what is wanted.</summary>
    internal const int BlockSize = 0, Address = 16, RegionSize = 24, UsableSize = 32, PluggedSize = 40, RequestedSize = 48, ConfigBytes = 56;

    /// <summary>Request (§5.15.6): its type, and the blocks.</summary>
    internal const int RequestAddress = 8, RequestBlocks = 16, RequestBytes = 24;

    /// <summary>Types of requests.</summary>
    internal const ushort Plug = 0, Unplug = 1, UnplugAll = 2, State = 3;

    /// <summary>Response: its type, and a state.</summary>
    internal const int ResponseState = 8, ResponseBytes = 10;

    /// <summary>Types of responses.</summary>
    internal const ushort Acknowledged = 0, NotAcknowledged = 1, Error = 3;

    /// <summary>States of a range of blocks.</summary>
    internal const ushort Plugged = 0, Unplugged = 1, Mixed = 2;
}
