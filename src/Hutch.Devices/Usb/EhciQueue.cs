using System.Runtime.InteropServices;

namespace Hutch.Devices.Usb;

/// <summary>A queue of transfers as it lies in memory, with the transfer that is under way (EHCI 1.0 §3.6).</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct EhciQueue
{
    /// <summary>Offset of what the controller writes, from <see cref="Overlay"/> on.</summary>
    internal const int OverlayOffset = 12;

    internal uint Link, Characteristics, Capabilities;

    /// <summary>The transfer that is under way.</summary>
    internal EhciOverlay Overlay;

    /// <summary>The device's address.</summary>
    internal readonly byte Address => (byte)(Characteristics & 0x7f);

    /// <summary>The endpoint.</summary>
    internal readonly int Endpoint => (int)(Characteristics >> 8 & 0xf);

    /// <summary>It is for devices at high speed.</summary>
    internal readonly bool IsHighSpeed => (Characteristics >> 12 & 3) == 2;

    /// <summary>Data toggles come from the transfers and not from the queue.</summary>
    internal readonly bool HasOwnToggles => (Characteristics & 1 << 14) != 0;

    /// <summary>Bytes of a packet.</summary>
    internal readonly int PacketBytes => (int)(Characteristics >> 16 & 0x7ff);
}

/// <summary>What a queue has of its transfer: where that lies, and its copy, which changes (EHCI 1.0 §3.6.3).</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct EhciOverlay
{
    internal uint Current;
    internal EhciTransfer Transfer;
}

/// <summary>A transfer (EHCI 1.0 §3.5).</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct EhciTransfer
{
    /// <summary>Offset of <see cref="Token"/>.</summary>
    internal const int TokenOffset = 8;

    /// <summary>Bits of <see cref="Token"/>.</summary>
    internal const uint TransactionError = 8, Halted = 0x40, Active = 0x80, BufferError = 0x20, OnCompletion = 0x8000, Toggle = 1u << 31;

    private const int PageShift = 12, PageBits = 7, LengthShift = 16, LengthBits = 0x7fff, ErrorShift = 10, ErrorBits = 3, PageBytes = 4096, Pages = 5;

    internal uint Next, Alternate, Token, Page0, Page1, Page2, Page3, Page4;

    /// <summary>0 out, 1 in, 2 setup.</summary>
    internal readonly int Packet => (int)(Token >> 8 & 3);

    /// <summary>Whether a flag is set.</summary>
    internal readonly bool Has(uint flag) => (Token & flag) != 0;

    /// <summary>Bytes that are left.</summary>
    internal int Left
    {
        readonly get => (int)(Token >> LengthShift & LengthBits);
        set => Token = (Token & ~((uint)LengthBits << LengthShift)) | ((uint)value << LengthShift);
    }

    /// <summary>Errors that are allowed still; 0: any number.</summary>
    internal int Errors
    {
        readonly get => (int)(Token >> ErrorShift & ErrorBits);
        set => Token = (Token & ~((uint)ErrorBits << ErrorShift)) | ((uint)value << ErrorShift);
    }

    private readonly int Page => (int)(Token >> PageShift & PageBits);

    /// <summary>Where the next byte lies, and how many follow it on its page; false: on none of the five.</summary>
    internal readonly bool TryFind(out ulong address, out int bytes)
    {
        uint page = Page switch { 0 => Page0, 1 => Page1, 2 => Page2, 3 => Page3, _ => Page4 };
        int offset = (int)(Page0 & (PageBytes - 1));
        (address, bytes) = ((page & ~(uint)(PageBytes - 1)) | (uint)offset, PageBytes - offset);
        return Page < Pages;
    }

    /// <summary>Goes on behind bytes of one page.</summary>
    internal void Skip(int bytes)
    {
        int offset = (int)(Page0 & (PageBytes - 1)) + bytes;
        Page0 = (Page0 & ~(uint)(PageBytes - 1)) | ((uint)offset & (PageBytes - 1));
        if (offset >= PageBytes) Token = (Token & ~((uint)PageBits << PageShift)) | ((uint)((Page + 1) & PageBits) << PageShift);
        Left -= bytes;
    }
}
