using System;
using Hutch.Core.Bus;

namespace Hutch.Devices.Pci;

/// <summary>Memory-mapped configuration (PCI Express Base 5.0 §7.2.2): 4 KiB per function, all of segment 0.</summary>
internal sealed class PciEcam : IBusDevice
{
    private readonly PciBus _bus;

    internal PciEcam(PciBus bus) => _bus = bus;

    /// <inheritdoc/>
    public BusStatus Read(ulong offset, Span<byte> data)
    {
        if (!IsLegal(offset, data.Length)) return BusStatus.BadWidth;
        _bus.ReadConfig((int)(offset >> 20), (int)(offset >> 15) & 0x1f, (int)(offset >> 12) & 7, (int)offset & 0xfff, data);
        return BusStatus.Handled;
    }

    /// <inheritdoc/>
    public BusStatus Write(ulong offset, ReadOnlySpan<byte> data)
    {
        if (!IsLegal(offset, data.Length)) return BusStatus.BadWidth;
        _bus.WriteConfig((int)(offset >> 20), (int)(offset >> 15) & 0x1f, (int)(offset >> 12) & 7, (int)offset & 0xfff, data);
        return BusStatus.Handled;
    }

    // A configuration request names one double word and its byte enables, so that nothing wider and nothing that crosses exists.
    private static bool IsLegal(ulong offset, int length) => offset < PciWindows.EcamBytes && (int)(offset & 3) + length <= 4;
}
