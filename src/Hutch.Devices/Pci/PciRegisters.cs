namespace Hutch.Devices.Pci;

/// <summary>Configuration space registers and identifiers (PCI Local Bus 3.0 §6.1, §6.2; PCI Express Base 5.0 §7.5).</summary>
internal static class PciRegisters
{
    internal const int VendorId = 0x00, DeviceId = 0x02, Command = 0x04, Status = 0x06, RevisionId = 0x08, ClassCode = 0x09;
    internal const int CacheLineSize = 0x0c, HeaderType = 0x0e, Bar0 = 0x10, BarEnd = 0x28;
    internal const int SubsystemVendorId = 0x2c, SubsystemId = 0x2e, RomAddress = 0x30, CapabilityPointer = 0x34, InterruptLine = 0x3c, InterruptPin = 0x3d;
    internal const int FirstCapability = 0x40, ConventionalBytes = 256, ExtendedBytes = 4096;

    /// <summary>Bit of the ROM's register: the range is decoded (PCI Local Bus 3.0 §6.2.5.2).</summary>
    internal const byte RomEnable = 1;

    internal const ushort CommandIo = 1 << 0, CommandMemory = 1 << 1, CommandBusMaster = 1 << 2, CommandParity = 1 << 6;
    internal const ushort CommandSerr = 1 << 8, CommandInterruptDisable = 1 << 10;
    internal const ushort StatusInterrupt = 1 << 3, StatusCapabilities = 1 << 4, StatusWriteOneToClear = 0xf900;

    /// <summary>Header type bit: the slot has more than one function.</summary>
    internal const byte Multifunction = 0x80;

    internal const byte CapabilityVendor = 0x09, CapabilityExpress = 0x10, CapabilityMsix = 0x11;
}

/// <summary>What a function says it is.</summary>
/// <param name="Vendor">Vendor id.</param>
/// <param name="Device">Device id.</param>
/// <param name="Class">24-bit class code: base class, subclass, programming interface.</param>
/// <param name="Revision">Revision id.</param>
/// <param name="SubsystemVendor">Subsystem vendor id.</param>
/// <param name="Subsystem">Subsystem id.</param>
internal readonly record struct PciIdentity(
    ushort Vendor, ushort Device, uint Class, byte Revision = 0, ushort SubsystemVendor = 0, ushort Subsystem = 0);
