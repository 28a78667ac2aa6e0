namespace Hutch.Devices.Usb;

/// <summary>The eight bytes that begin a control transfer (USB 2.0 §9.3).</summary>
/// <param name="RequestType">bmRequestType: bit 7 the data's direction, bits 6 and 5 who defines the request, bits 4 to 0 whom it is for.</param>
/// <param name="Request">bRequest.</param>
/// <param name="Value">wValue.</param>
/// <param name="Index">wIndex.</param>
/// <param name="Length">wLength: the most bytes of data.</param>
internal readonly record struct UsbSetup(byte RequestType, byte Request, ushort Value, ushort Index, ushort Length)
{
    /// <summary>The data goes to the host.</summary>
    internal bool IsIn => (RequestType & 0x80) != 0;

    /// <summary>Type and request in one number, to tell requests apart.</summary>
    internal int Code => (RequestType << 8) | Request;

    /// <summary>Reads the bytes as they are in memory, the first one lowest.</summary>
    internal static UsbSetup From(ulong bytes) => new((byte)bytes, (byte)(bytes >> 8), (ushort)(bytes >> 16), (ushort)(bytes >> 32), (ushort)(bytes >> 48));
}
