namespace Hutch.Devices.Usb;

/// <summary>Offsets and bits of an xHCI 1.0 controller (eXtensible Host Controller Interface 1.2, §5).</summary>
internal static class XhciRegisters
{
    /// <summary>Bytes of the register BAR, and where its parts begin.</summary>
    internal const int BarBytes = 0x4000, OperationalStart = 0x40, PortStart = OperationalStart + 0x400, RuntimeStart = 0x1000, DoorbellStart = 0x2000;

    /// <summary>Ports for USB 2 come first, then those for USB 3; registers of a port.</summary>
    internal const int Usb2Ports = 4, Usb3Ports = 4, PortCount = Usb2Ports + Usb3Ports, PortBytes = 16;

    /// <summary>Devices at once: one for each port.</summary>
    internal const int SlotCount = PortCount;

    /// <summary>Operational registers.</summary>
    internal const int Command = 0x00, Status = 0x04, PageSize = 0x08, NotificationControl = 0x14, CommandRing = 0x18, ContextArray = 0x30, Configure = 0x38;

    /// <summary>USBCMD.</summary>
    internal const uint Run = 1, HostReset = 1 << 1, InterrupterEnable = 1 << 2, SaveState = 1 << 8, RestoreState = 1 << 9, CommandBits = Run | InterrupterEnable | (1 << 3) | (1 << 10);

    /// <summary>USBSTS.</summary>
    internal const uint Halted = 1, EventInterrupt = 1 << 3, PortChange = 1 << 4, SaveRestoreError = 1 << 10, ControllerError = 1 << 12, StatusClear = (1 << 2) | EventInterrupt | PortChange | SaveRestoreError;

    /// <summary>CRCR: the ring's cycle, stop, abort, running.</summary>
    internal const uint RingCycle = 1, RingStop = 2, RingAbort = 4, RingRunning = 8;

    /// <summary>PORTSC.</summary>
    internal const uint Connected = 1, PortEnabled = 2, PortReset = 1 << 4, PortPower = 1 << 9, LinkWrite = 1 << 16, ConnectChange = 1 << 17, EnableChange = 1 << 18, ResetChange = 1 << 21, LinkChange = 1 << 22,
        PortChanges = 0xfe0000, PortWake = 7 << 25, WarmReset = 1u << 31;

    /// <summary>PORTSC's link states: running, not connected, asked for its speed.</summary>
    internal const uint LinkU0 = 0, LinkU3 = 3, LinkRxDetect = 5, LinkPolling = 7;

    /// <summary>Where link state and speed are in PORTSC; speeds (§7.2.2.1.1).</summary>
    internal const int LinkShift = 5, SpeedShift = 10, FullSpeed = 1, HighSpeed = 3;

    /// <summary>Interrupter 0, from <see cref="RuntimeStart"/>.</summary>
    internal const int Management = 0x20, Moderation = 0x24, SegmentCount = 0x28, SegmentTable = 0x30, EventDequeue = 0x38;

    /// <summary>IMAN: pending, enabled. ERDP: the handler is busy.</summary>
    internal const uint Pending = 1, Enabled = 2, HandlerBusy = 8;
}
