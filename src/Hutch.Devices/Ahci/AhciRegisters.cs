namespace Hutch.Devices.Ahci;

/// <summary>Registers of the controller (AHCI 1.3.1 §3) and places in guest memory that they lead to (§4).</summary>
internal static class AhciRegisters
{
    internal const int BarBytes = 0x1000, PortStart = 0x100, PortBytes = 0x80, SlotCount = 32;

    // Generic host control (§3.1).
    internal const int Capabilities = 0x00, GlobalControl = 0x04, InterruptStatus = 0x08, PortsImplemented = 0x0c, Version = 0x10;
    internal const uint GlobalReset = 1, GlobalInterruptEnable = 2, AhciEnable = 1u << 31, Version131 = 0x0001_0301;

    /// <summary>Number of ports less one, 32 slots, AHCI only, 6 Gb/s, command list override, queuing, 64-bit addresses.</summary>
    internal const uint CapabilityBits = 31u << 8 | 1u << 18 | 3u << 20 | 1u << 24 | 1u << 30 | 1u << 31;

    // A port (§3.3).
    internal const int ListBase = 0x00, ListBaseHigh = 0x04, FisBase = 0x08, FisBaseHigh = 0x0c, PortInterruptStatus = 0x10, PortInterruptEnable = 0x14;
    internal const int Command = 0x18, TaskFile = 0x20, Signature = 0x24, SataStatus = 0x28, SataControl = 0x2c, SataError = 0x30, SataActive = 0x34, CommandIssue = 0x38;

    internal const uint CommandStart = 1 << 0, CommandSpinUp = 1 << 1, CommandPowerOn = 1 << 2, CommandListOverride = 1 << 3, CommandFisReceive = 1 << 4;
    internal const uint CommandFisRunning = 1 << 14, CommandListRunning = 1 << 15, CommandAtapi = 1 << 24;
    internal const uint CommandKept = CommandStart | CommandFisReceive | CommandAtapi;
    internal const int CommandSlotShift = 8;

    internal const uint InterruptRegisterFis = 1 << 0, InterruptPioSetup = 1 << 1, InterruptSetBits = 1 << 3, InterruptConnect = 1 << 6;
    internal const uint InterruptHostFatal = 1 << 29, InterruptTaskFile = 1 << 30;
    internal const uint InterruptEnableBits = 0xfdc0_00ff;

    /// <summary>PxSERR: a device was found (DIAG.X).</summary>
    internal const uint ErrorExchanged = 1 << 26;

    /// <summary>PxSSTS: device present and in contact, 6 Gb/s, active.</summary>
    internal const uint StatusPresent = 0x133;

    internal const uint NoDevice = 0x7f, SignatureNone = 0xffff_ffff;

    // The received FIS area and the FIS types (§4.2.1; Serial ATA 3.3 §10.5).
    internal const int PioSetupPlace = 0x20, RegisterPlace = 0x40, SetBitsPlace = 0x58;
    internal const byte FisHostToDevice = 0x27, FisDeviceToHost = 0x34, FisPioSetup = 0x5f, FisSetBits = 0xa1, FisInterrupt = 0x40, FisToHost = 0x20;

    // Command header and table (§4.2.2, §4.2.3).
    internal const int HeaderBytes = 32, TableFisBytes = 20, PacketPlace = 0x40, RangesPlace = 0x80, RangeBytes = 16;
    internal const uint RangeLengthMask = 0x3f_ffff;
}
