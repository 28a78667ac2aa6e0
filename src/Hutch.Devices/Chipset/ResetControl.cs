using System;
using Hutch.Core.Bus;
using Hutch.Core.State;

namespace Hutch.Devices.Chipset;

/// <summary>
/// Reset control register, port 0xcf9 (Intel ICH9 data sheet §13.7.5): setting bit 2 resets the platform; bits 1 and 3 say how
/// deeply and are kept. The port lies inside the PCI configuration ports, whose owner forwards one-byte accesses.
/// </summary>
internal sealed class ResetControl(IPlatformEvents platform) : IBusDevice
{
    private const byte ResetCpu = 0x04, Kept = 0x0a;

    private volatile byte _value;

    /// <inheritdoc/>
    public BusStatus Read(ulong offset, Span<byte> data)
    {
        if (data.Length != 1) return BusStatus.BadWidth;
        data[0] = _value;
        return BusStatus.Handled;
    }

    /// <inheritdoc/>
    public BusStatus Write(ulong offset, ReadOnlySpan<byte> data)
    {
        if (data.Length != 1) return BusStatus.BadWidth;
        _value = (byte)(data[0] & Kept);
        if ((data[0] & ResetCpu) != 0) platform.Reset();
        return BusStatus.Handled;
    }

    /// <summary>Saves or restores the register.</summary>
    public void Exchange(StateFields fields)
    {
        byte value = _value;
        fields.Value("reset-control", ref value);
        _value = (byte)(value & Kept);
    }

    /// <summary>Power-on state.</summary>
    public void Reset() => _value = 0;
}
