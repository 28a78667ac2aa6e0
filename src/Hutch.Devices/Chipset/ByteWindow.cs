using System;
using Hutch.Core.Bus;

namespace Hutch.Devices.Chipset;

/// <summary>A device whose registers are all one byte wide. The numbers are the device's own; windows place them on a bus.</summary>
internal interface IByteRegisters
{
    /// <summary>Reads one register, with the side effects of the hardware. Any thread.</summary>
    byte ReadRegister(int register);

    /// <summary>Writes one register. Any thread.</summary>
    void WriteRegister(int register, byte value);
}

/// <summary>
/// Puts consecutive one-byte registers on a bus. A wider access becomes one access for each byte, lowest address first,
/// as the ISA bus splits it.
/// </summary>
internal sealed class ByteWindow(IByteRegisters device, int firstRegister) : IBusDevice
{
    /// <inheritdoc/>
    public BusStatus Read(ulong offset, Span<byte> data)
    {
        for (int i = 0; i < data.Length; i++) data[i] = device.ReadRegister(firstRegister + (int)offset + i);
        return BusStatus.Handled;
    }

    /// <inheritdoc/>
    public BusStatus Write(ulong offset, ReadOnlySpan<byte> data)
    {
        for (int i = 0; i < data.Length; i++) device.WriteRegister(firstRegister + (int)offset + i, data[i]);
        return BusStatus.Handled;
    }
}
