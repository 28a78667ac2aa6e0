namespace Hutch.Devices.Serial;

/// <summary>Registers and bits of the 16550A (National Semiconductor PC16550D data sheet, §8).</summary>
internal static class Uart16550Registers
{
    public const int Data = 0, InterruptEnable = 1, InterruptIdentity = 2, LineControl = 3;
    public const int ModemControl = 4, LineStatus = 5, ModemStatus = 6, Scratch = 7;

    // IER (§8.7)
    public const byte IerReceive = 0x01, IerTransmit = 0x02, IerLineStatus = 0x04, IerModemStatus = 0x08;

    // IIR (§8.6)
    public const byte IirNone = 0x01, IirLineStatus = 0x06, IirReceive = 0x04, IirTimeout = 0x0c, IirTransmit = 0x02, IirModem = 0x00;
    public const byte IirFifosEnabled = 0xc0;

    // FCR (§8.5)
    public const byte FcrEnable = 0x01, FcrClearReceive = 0x02, FcrClearTransmit = 0x04;

    // LCR (§8.1)
    public const byte LcrDivisorLatch = 0x80;

    // MCR (§8.8)
    public const byte McrDtr = 0x01, McrRts = 0x02, McrOut1 = 0x04, McrOut2 = 0x08, McrLoop = 0x10, McrMask = 0x1f;

    // LSR (§8.4)
    public const byte LsrDataReady = 0x01, LsrOverrun = 0x02, LsrErrors = 0x1e, LsrHoldingEmpty = 0x20, LsrTransmitterEmpty = 0x40;

    // MSR (§8.9)
    public const byte MsrDeltaRing = 0x04, MsrDeltas = 0x0f, MsrCts = 0x10, MsrDsr = 0x20, MsrRing = 0x40, MsrDcd = 0x80;
}
