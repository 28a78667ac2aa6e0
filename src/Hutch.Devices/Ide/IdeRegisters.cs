namespace Hutch.Devices.Ide;

/// <summary>Registers of a channel (ATA/ATAPI-6 §7) and of its bus master (Programming Interface for Bus Master IDE Controller 1.0 §2).</summary>
internal static class IdeRegisters
{
    // Command block, as offsets of its ports; reading and writing differ for two of them.
    internal const int Data = 0, ErrorOrFeatures = 1, Count = 2, LbaLow = 3, LbaMid = 4, LbaHigh = 5, Device = 6, StatusOrCommand = 7, CommandPorts = 8;

    /// <summary>Device register: device 1 is selected.</summary>
    internal const byte SelectSecond = 0x10;

    /// <summary>Device register: bits that always read as ones.</summary>
    internal const byte DeviceObsolete = 0xa0;

    // Device control register.
    internal const byte NoInterrupt = 0x02, SoftwareReset = 0x04, HighOrder = 0x80;

    /// <summary>The error register after a reset: the device is well (ATA/ATAPI-6 §9.12).</summary>
    internal const byte DiagnosticPassed = 0x01;

    // Interrupt reason of a packet command, in the count register (ATA/ATAPI-6 §8.23).
    internal const byte ReasonCommand = 0x01, ReasonIn = 0x02, ReasonComplete = 0x03;

    /// <summary>Bytes of a packet that drives take.</summary>
    internal const int PacketBytes = 12;

    // Bus master: a channel has eight ports.
    internal const int MasterCommand = 0, MasterStatus = 2, MasterTable = 4, MasterPorts = 8;
    internal const byte MasterStart = 0x01, MasterToMemory = 0x08;
    internal const byte MasterActive = 0x01, MasterError = 0x02, MasterInterrupt = 0x04, MasterCapable = 0x60;

    // A region's descriptor: address, length and, in the last bit, that it is the last. A table does not cross 64 KiB.
    internal const int RegionBytes = 8, MostRegions = 0x1_0000 / RegionBytes;
    internal const uint LastRegion = 1u << 31;
}
