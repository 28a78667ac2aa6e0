using System;

namespace Hutch.Core.Bus;

/// <summary>
/// Something at a range of addresses on the port or MMIO bus. It sees offsets into its range, never absolute addresses.
/// Calls come from any vCPU thread, concurrently. <c>data.Length</c> is 1, 2, 4 or 8 (ports: 1, 2, 4), little-endian, and
/// lies wholly inside the range.
/// </summary>
public interface IBusDevice
{
    /// <summary>Reads. Where the status is not <see cref="BusStatus.Handled"/> the bus fills <paramref name="data"/> with ones.</summary>
    BusStatus Read(ulong offset, Span<byte> data);

    /// <summary>Writes.</summary>
    BusStatus Write(ulong offset, ReadOnlySpan<byte> data);
}
