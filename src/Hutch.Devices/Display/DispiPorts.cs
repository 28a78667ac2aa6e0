using System;
using System.Buffers.Binary;
using Hutch.Core.Bus;

namespace Hutch.Devices.Display;

/// <summary>
/// The ports of the display interface: the index at 0x1ce, the data at 0x1cf on x86 and at 0x1d0 on others, each 16 bits wide although they lie one apart. Drivers write the high byte first
/// where they write bytes; ours take whole values only.
/// </summary>
internal sealed class DispiPorts(VgaCard card) : IBusDevice
{
    /// <summary>First port.</summary>
    internal const int FirstPort = 0x1ce;

    /// <summary>Number of ports, with that which the second half of a word at the last lies on.</summary>
    internal const int PortCount = 4;

    /// <inheritdoc/>
    public BusStatus Read(ulong offset, Span<byte> data)
    {
        if (offset > 2) return BusStatus.BadOffset;
        ushort value = offset == 0 ? card.DispiIndex : card.ReadDispi(null);
        if (data.Length == 2) BinaryPrimitives.WriteUInt16LittleEndian(data, value);
        return data.Length == 2 ? BusStatus.Handled : BusStatus.BadWidth;
    }

    /// <inheritdoc/>
    public BusStatus Write(ulong offset, ReadOnlySpan<byte> data)
    {
        if (offset > 2) return BusStatus.BadOffset;
        if (data.Length != 2) return BusStatus.BadWidth;
        ushort value = BinaryPrimitives.ReadUInt16LittleEndian(data);
        if (offset == 0) card.DispiIndex = value;
        else card.WriteDispi(null, value);
        return BusStatus.Handled;
    }
}
