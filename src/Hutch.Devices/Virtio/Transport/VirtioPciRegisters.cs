namespace Hutch.Devices.Virtio.Transport;

/// <summary>virtio over PCI, modern (virtio 1.2 §4.1): where things are.</summary>
internal static class VirtioPciRegisters
{
    internal const ushort Vendor = 0x1af4, FirstModernDevice = 0x1040;
    internal const byte ModernRevision = 1;

    // Our layout of the register BAR; a driver learns it from the capabilities.
    internal const int RegisterBar = 4, MsixBar = 1;
    internal const ulong BarBytes = 0x4000, PageBytes = 0x1000;
    internal const ulong CommonOffset = 0x0000, IsrOffset = 0x1000, DeviceOffset = 0x2000, NotifyOffset = 0x3000;
    internal const uint NotifyMultiplier = 4, CommonBytes = 0x38;

    // cfg_type of struct virtio_pci_cap (§4.1.4).
    internal const byte CapabilityCommon = 1, CapabilityNotify = 2, CapabilityIsr = 3, CapabilityDevice = 4, CapabilityPciConfig = 5;

    // struct virtio_pci_common_cfg (§4.1.4.3).
    internal const int DeviceFeatureSelect = 0x00, DeviceFeature = 0x04, DriverFeatureSelect = 0x08, DriverFeature = 0x0c;
    internal const int ConfigMsixVector = 0x10, QueueCount = 0x12, DeviceStatus = 0x14, ConfigGeneration = 0x15, QueueSelect = 0x16;
    internal const int QueueSize = 0x18, QueueMsixVector = 0x1a, QueueEnable = 0x1c, QueueNotifyOffset = 0x1e;
    internal const int QueueDescriptor = 0x20, QueueDriver = 0x28, QueueDevice = 0x30;

    internal const ushort NoVector = 0xffff;
    internal const int IsrQueue = 1, IsrConfig = 2;
}

/// <summary>Bits of the device status field (virtio 1.2 §2.1).</summary>
internal static class VirtioStatus
{
    internal const int Acknowledge = 1, Driver = 2, DriverOk = 4, FeaturesOk = 8, NeedsReset = 64, Failed = 128;

    /// <summary>What a driver may set.</summary>
    internal const int DriverBits = Acknowledge | Driver | DriverOk | FeaturesOk | Failed;
}
