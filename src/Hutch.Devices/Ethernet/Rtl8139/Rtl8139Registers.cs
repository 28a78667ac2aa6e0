namespace Hutch.Devices.Ethernet.Rtl8139;

/// <summary>Registers and bits of the RTL8139C+ (Realtek RTL8139C+ data sheet 1.6, §6 to §9). Some places are another register in C+ mode.</summary>
internal static class Rtl8139Registers
{
    internal const int BarBytes = 256;

    internal const int Address = 0x00, Groups = 0x08, GroupBytes = 8, SendStatus = 0x10, TallyAddress = 0x10, SendAddress = 0x20, SendRing = 0x20, ReceiveBuffer = 0x30, Command = 0x37;
    internal const int ReadPointer = 0x38, WritePointer = 0x3a, Mask = 0x3c, Interrupts = 0x3e, SendConfig = 0x40, ReceiveConfig = 0x44, Missed = 0x4c, Eeprom = 0x50, Config0 = 0x51, Config1 = 0x52;
    internal const int TimerInterrupt = 0x54, MediaStatus = 0x58, Config3 = 0x59, Config4 = 0x5a, EarlyInterrupt = 0x5c, SendSummary = 0x60, MiiControl = 0x62, MiiStatus = 0x64, MiiAdvertisement = 0x66;
    internal const int MiiPartner = 0x68, MiiExpansion = 0x6a, Config5 = 0xd8, Poll = 0xd9, PlusCommand = 0xe0, ReceiveRing = 0xe4, EarlyThreshold = 0xec;

    // Command.
    internal const byte CommandReset = 0x10, CommandReceive = 0x08, CommandSend = 0x04, CommandEmpty = 0x01;

    // Interrupt status and mask.
    internal const ushort ReceiveOk = 1, SendOk = 4, NoDescriptor = 0x10, LinkChange = 0x20, Overflow = 0x40;

    // Receive configuration.
    internal const uint AcceptAll = 1, AcceptOwn = 2, AcceptGroups = 4, AcceptBroadcast = 8, NoWrap = 0x80;
    internal const int BufferShift = 11;

    // EEPROM: mode in the two highest bits; wires.
    internal const byte EepromMode = 0xc0, EepromProgram = 0x80, EepromUnlocked = 0xc0, EepromSelect = 8, EepromClock = 4, EepromIn = 2, EepromOut = 1;

    // C+ command.
    internal const byte PlusSend = 1, PlusReceive = 2, PlusChecksums = 0x20, PlusTags = 0x40;

    // First word of a C+ descriptor.
    internal const uint Own = 1u << 31, EndOfRing = 1u << 30, First = 1u << 29, Last = 1u << 28, LargeSend = 1u << 27, SumIp = 1u << 18, SumUdp = 1u << 17, SumTcp = 1u << 16;
    internal const uint ReceivedGroup = 1u << 26, ReceivedOwn = 1u << 25, ReceivedBroadcast = 1u << 24;
    internal const int ProtocolShift = 16, SegmentShift = 16, DescriptorBytes = 16;
    internal const uint SentStatus = 0x07ff_0000, SegmentMask = 0x7ff, SendTag = 1u << 17, ReceivedTag = 1u << 16;

    // Status of a send descriptor of C mode.
    internal const uint SendOwn = 1u << 13, SendDone = 1u << 15, SendBytes = 0x1fff;

    /// <summary>Hardware version in the send configuration: RTL8139C+.</summary>
    internal const uint ChipVersion = 0x7480_0000;
}
