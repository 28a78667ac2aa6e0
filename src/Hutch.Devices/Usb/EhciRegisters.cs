namespace Hutch.Devices.Usb;

/// <summary>Registers of a USB 2 controller and their bits (EHCI 1.0 §2).</summary>
internal static class EhciRegisters
{
    /// <summary>Bytes of the range; where the operational registers begin in it.</summary>
    internal const int BarBytes = 0x1000, OperationalStart = 0x20;

    /// <summary>Ports, companion controllers, and ports of each of them.</summary>
    internal const int PortCount = 6, CompanionCount = 3, CompanionPorts = PortCount / CompanionCount;

    /// <summary>Operational registers, from <see cref="OperationalStart"/>.</summary>
    internal const int Command = 0x00, Status = 0x04, InterruptEnable = 0x08, FrameIndex = 0x0c, Segment = 0x10, PeriodicList = 0x14, AsyncList = 0x18, ConfigureFlag = 0x40, FirstPort = 0x44;

    /// <summary>USBCMD. A frame list has 1024 entries always.</summary>
    internal const uint Run = 1, HostReset = 2, PeriodicEnable = 0x10, AsyncEnable = 0x20, AsyncDoorbell = 0x40, ThresholdBits = 0xff_0000, DefaultThreshold = 8 << 16,
        CommandBits = Run | PeriodicEnable | AsyncEnable | ThresholdBits;

    /// <summary>USBSTS.</summary>
    internal const uint Interrupt = 1, ErrorInterrupt = 2, PortChange = 4, ListRollover = 8, SystemError = 0x10, AsyncAdvance = 0x20, InterruptBits = 0x3f, Halted = 0x1000, PeriodicStatus = 0x4000,
        AsyncStatus = 0x8000;

    /// <summary>FRINDEX: microframes.</summary>
    internal const uint IndexBits = 0x3fff;

    /// <summary>PORTSC. Its lines are in the J state while a device waits to be reset.</summary>
    internal const uint Connected = 1, ConnectChange = 2, PortEnabled = 4, EnableChange = 8, PortResume = 0x40, Suspended = 0x80, PortReset = 0x100, LineJ = 0x800, PortPower = 0x1000, PortOwner = 0x2000,
        Indicators = 0xc000, WakeBits = 0x70_0000, PortChanges = ConnectChange | EnableChange;
}
