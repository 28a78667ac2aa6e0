namespace Hutch.Devices.Usb;

/// <summary>Registers of a USB 1 controller and their bits (UHCI 1.1 §2.1).</summary>
internal static class UhciRegisters
{
    /// <summary>Bytes of the I/O range.</summary>
    internal const int BarBytes = 32;

    /// <summary>Their offsets.</summary>
    internal const int Command = 0x00, Status = 0x02, InterruptEnable = 0x04, FrameNumber = 0x06, ListLow = 0x08, ListHigh = 0x0a, StartOfFrame = 0x0c, FirstPort = 0x10;

    /// <summary>USBCMD.</summary>
    internal const ushort Run = 1, HostReset = 2, GlobalReset = 4, GlobalSuspend = 8, ForceResume = 0x10, CommandBits = 0xff;

    /// <summary>USBSTS.</summary>
    internal const ushort Interrupt = 1, ErrorInterrupt = 2, ResumeDetect = 4, SystemError = 8, ProcessError = 0x10, Halted = 0x20, StatusClear = 0x1f;

    /// <summary>USBINTR.</summary>
    internal const ushort OnError = 1, OnResume = 2, OnComplete = 4, OnShort = 8, InterruptBits = 0xf;

    /// <summary>FRNUM, and which part of it is a place in the frame list.</summary>
    internal const ushort FrameBits = 0x7ff, ListBits = 0x3ff;

    /// <summary>SOFMOD: a frame has 12000 bit times.</summary>
    internal const byte DefaultFrameLength = 64;

    /// <summary>PORTSC. Bit 7 is always one, which tells ports from what is behind them.</summary>
    internal const ushort Connected = 1, ConnectChange = 2, PortEnabled = 4, EnableChange = 8, IdleLine = 0x10, PortResume = 0x40, AlwaysOne = 0x80, PortReset = 0x200, Suspended = 0x1000,
        PortChanges = ConnectChange | EnableChange, PortWritable = PortEnabled | PortResume | PortReset | Suspended;
}
