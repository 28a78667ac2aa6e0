namespace Hutch.Devices.Ethernet.E1000;

/// <summary>Registers and bits of the 82540EM (Intel PCI/PCI-X Family of Gigabit Ethernet Controllers, Software Developer's Manual, revision 4.0, §13).</summary>
internal static class E1000Registers
{
    internal const int BarBytes = 128 << 10, IoBytes = 64;

    // General (§13.4.1 to §13.4.16).
    internal const int Control = 0x0000, ControlCopy = 0x0004, Status = 0x0008, Eecd = 0x0010, EepromRead = 0x0014, ExtendedControl = 0x0018, Mdic = 0x0020;
    internal const int FlowLow = 0x0028, FlowHigh = 0x002c, FlowType = 0x0030, VlanEtherType = 0x0038, FlowTimer = 0x0170, TransmitConfig = 0x0178;
    internal const int LedControl = 0x0e00, PacketBuffer = 0x1000;

    // Interrupts (§13.4.17 to §13.4.21).
    internal const int Cause = 0x00c0, Throttle = 0x00c4, CauseSet = 0x00c8, MaskSet = 0x00d0, MaskClear = 0x00d8;

    // Receive (§13.4.22 to §13.4.32).
    internal const int ReceiveControl = 0x0100, FlowThresholdLow = 0x2160, FlowThresholdHigh = 0x2168;
    internal const int ReceiveBase = 0x2800, ReceiveBaseHigh = 0x2804, ReceiveLength = 0x2808, ReceiveHead = 0x2810, ReceiveTail = 0x2818;
    internal const int ReceiveDelay = 0x2820, ReceiveDescriptorControl = 0x2828, ReceiveAbsoluteDelay = 0x282c, SmallPacketDetect = 0x2c00, ReceiveChecksum = 0x5000;

    // Transmit (§13.4.33 to §13.4.49).
    internal const int TransmitControl = 0x0400, InterPacketGap = 0x0410, InterFrameSpacing = 0x0458;
    internal const int TransmitBase = 0x3800, TransmitBaseHigh = 0x3804, TransmitLength = 0x3808, TransmitHead = 0x3810, TransmitTail = 0x3818;
    internal const int TransmitDelay = 0x3820, TransmitDescriptorControl = 0x3828, TransmitAbsoluteDelay = 0x382c, SegmentationThreshold = 0x3830, TransmitDma = 0x3000;

    // Filters (§13.5), wake-up (§13.6), statistics (§13.7).
    internal const int MulticastTable = 0x5200, ReceiveAddresses = 0x5400, VlanTable = 0x5600, WakeControl = 0x5800, WakeFilter = 0x5808, WakeStatus = 0x5810, Management = 0x5820;
    internal const int StatisticsStart = 0x4000, StatisticsEnd = 0x4100;

    // CTRL and STATUS.
    internal const uint ControlReset = 1u << 26, ControlVlanMode = 1u << 30, ControlPhyReset = 1u << 31, ControlPowerOn = 0x0014_0240;
    internal const uint StatusLinkUp = 1u << 1, StatusPowerOn = 0x8008_0783;

    // ICR.
    internal const uint CauseSent = 1, CauseSendQueueEmpty = 1 << 1, CauseLink = 1 << 2, CauseFewBuffers = 1 << 4, CauseReceived = 1 << 7, CauseManagement = 1 << 9;
    internal const uint CauseBits = 0x0001_ffff;

    // RCTL.
    internal const uint ReceiveEnable = 1 << 1, ReceiveAllUnicast = 1 << 3, ReceiveAllMulticast = 1 << 4, ReceiveLong = 1 << 5, ReceiveLoopback = 3 << 6, ReceiveBroadcast = 1 << 15;
    internal const uint ReceiveVlanFilter = 1 << 18, ReceiveSizeExtended = 1 << 25, ReceiveStripCheck = 1 << 26;
    internal const int ReceiveThresholdShift = 8, ReceiveMulticastShift = 12, ReceiveSizeShift = 16;

    // TCTL, RXCSUM, the delays.
    internal const uint TransmitEnable = 1 << 1, TransmitPad = 1 << 3;
    internal const uint ChecksumIp = 1 << 8, ChecksumTransport = 1 << 9;
    internal const uint DelayFlush = 1u << 31;

    /// <summary>Bytes of a descriptor of either ring (§3.2.3, §3.3.3).</summary>
    internal const int DescriptorBytes = 16;

    /// <summary>Bits of a descriptor's status (§3.2.3.1): done, end of packet, checksums not looked at, VLAN, UDP or TCP looked at, IP looked at, passed by a hash.</summary>
    internal const byte StatusDone = 1, StatusEnd = 2, StatusNoChecksums = 4, StatusVlan = 8, StatusTransport = 0x20, StatusIp = 0x40, StatusInexact = 0x80;

    /// <summary>Bits of a transmit descriptor's command (§3.3.3.1, §3.3.6, §3.3.7).</summary>
    internal const byte CommandEnd = 1, CommandInsertSum = 4, CommandSegment = 4, CommandReport = 8, CommandExtended = 0x20, CommandVlan = 0x40, CommandDelay = 0x80;

    /// <summary>Bits of a context's command and of a data descriptor's options.</summary>
    internal const byte ContextTcp = 1, ContextIPv4 = 2, OptionIp = 1, OptionTransport = 2;

    /// <summary>Tag protocol identifier of IEEE 802.1Q.</summary>
    internal const int VlanType = 0x8100;
}
