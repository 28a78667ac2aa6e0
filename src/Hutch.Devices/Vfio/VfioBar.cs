using System;
using System.Collections.Generic;
using Hutch.Core.Bus;
using Hutch.Core.Memory;
using Hutch.Host.Memory;
using Hutch.Host.Vfio;

namespace Hutch.Devices.Vfio;

/// <summary>A BAR of a device of the host: each access is one to the device, but for the pages that the guest may have mapped, and the table of MSI-X, which is the guest's. Any thread.</summary>
/// <param name="function">The device.</param>
/// <param name="index">The BAR.</param>
/// <param name="table">The table, where it is in this BAR.</param>
/// <param name="interrupts">Hear that the guest looks at the device.</param>
internal sealed class VfioBar(VfioFunction function, int index, VfioMsixTable? table, VfioInterrupts interrupts) : IBusDevice
{
    private const ulong PageBytes = 4096;

    // What lies beyond no processor can address (Intel SDM 3A §4.1.4). A guest that asks for a BAR's size by writing ones puts it there for a moment.
    private const ulong AddressEnd = 1UL << 52;

    private readonly List<(DeviceMemory Memory, ulong Offset)> _mapped = [];

    /// <summary>Maps what can be: whole pages without those of the table.</summary>
    internal void Map(MemoryLayout layout)
    {
        ulong end = function.Region(index).LengthBytes & ~(PageBytes - 1);
        (ulong hole, ulong holeEnd) = table?.Pages ?? (end, end);
        MapPart(layout, 0, Math.Min(hole, end));
        if (holeEnd < end) MapPart(layout, holeEnd, end);
    }

    /// <summary>Shows the guest what is mapped; null: nothing is.</summary>
    /// <param name="start">Where the BAR is.</param>
    internal void Place(ulong? start)
    {
        foreach ((DeviceMemory memory, ulong offset) in _mapped) memory.Place(start <= AddressEnd - function.Region(index).LengthBytes ? start + offset : null);
    }

    /// <inheritdoc/>
    public BusStatus Read(ulong offset, Span<byte> data)
    {
        if (table is null || !table.Touches(offset, data.Length)) function.Read(index, offset, data);
        else if (table.Holds(offset, data.Length)) table.Read(offset, data);
        else data.Fill(0xff);
        interrupts.TakePin();
        return BusStatus.Handled;
    }

    /// <inheritdoc/>
    public BusStatus Write(ulong offset, ReadOnlySpan<byte> data)
    {
        if (table is null || !table.Touches(offset, data.Length)) function.Write(index, offset, data);
        else if (table.Holds(offset, data.Length)) table.Write(offset, data);
        interrupts.TakePin();
        return BusStatus.Handled;
    }

    private void MapPart(MemoryLayout layout, ulong start, ulong end)
    {
        if (start < end && function.Map(index, start, end - start) is MappedRegion shown) _mapped.Add((layout.AddHostMemory(shown), start));
    }
}
