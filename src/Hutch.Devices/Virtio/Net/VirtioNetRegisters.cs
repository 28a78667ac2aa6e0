namespace Hutch.Devices.Virtio.Net;

/// <summary>Numbers of the network device (virtio 1.2 §5.1).</summary>
internal static class VirtioNetRegisters
{
    internal const ushort DeviceType = 1;

    // Feature bits (§5.1.3).
    internal const ulong FeatureChecksum = 1UL << 0, FeatureGuestChecksum = 1UL << 1, FeatureMtu = 1UL << 3, FeatureMac = 1UL << 5;
    internal const ulong FeatureGuestTso4 = 1UL << 7, FeatureGuestTso6 = 1UL << 8, FeatureGuestEcn = 1UL << 9;
    internal const ulong FeatureHostTso4 = 1UL << 11, FeatureHostTso6 = 1UL << 12, FeatureHostEcn = 1UL << 13;
    internal const ulong FeatureMergeable = 1UL << 15, FeatureStatus = 1UL << 16, FeatureControl = 1UL << 17, FeatureControlReceive = 1UL << 18;
    internal const ulong FeatureControlVlan = 1UL << 19, FeatureControlReceiveExtra = 1UL << 20, FeatureAnnounce = 1UL << 21;
    internal const ulong FeatureMultiQueue = 1UL << 22, FeatureControlMac = 1UL << 23;

    // Configuration space (§5.1.4).
    internal const int ConfigBytes = 12, Mac = 0, Status = 6, MaxPairs = 8, Mtu = 10;
    internal const ushort StatusLinkUp = 1, StatusAnnounce = 2;
    internal const int LeastMtu = 68;

    /// <summary>The longest IP packet of Ethernet, in bytes.</summary>
    internal const int EthernetMtu = 1500;

    /// <summary>struct virtio_net_hdr with num_buffers, as every driver of VERSION_1 has it (§5.1.6).</summary>
    internal const int HeaderBytes = 12, BufferCount = 10;

    // Control commands (§5.1.6.5): class, command.
    internal const byte ClassReceive = 0, ClassMac = 1, ClassVlan = 2, ClassAnnounce = 3, ClassMultiQueue = 4;
    internal const byte Promiscuous = 0, AllMulticast = 1, AllUnicast = 2, NoMulticast = 3, NoUnicast = 4, NoBroadcast = 5;
    internal const byte MacTableSet = 0, MacAddressSet = 1, VlanAdd = 0, VlanDelete = 1, AnnounceAcknowledge = 0, PairsSet = 0;
    internal const byte ControlOk = 0, ControlError = 1;
}
