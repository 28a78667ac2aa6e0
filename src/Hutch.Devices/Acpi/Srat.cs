using System;
using Hutch.Core.Memory;

namespace Hutch.Devices.Acpi;

/// <summary>
/// The system resource affinity table (ACPI 6.5 §5.2.16) of a machine of one node whose memory can grow: it alone tells a kernel how high its memory can go,
/// which it must know when it chooses how devices reach memory. Without such memory there is no table.
/// </summary>
internal static class Srat
{
    private const byte LocalApic = 0, Memory = 1, LocalX2Apic = 2;
    private const uint Enabled = 1, HotPluggable = 2;
    private const int FirstX2ApicId = 255;

    /// <summary>Builds the table.</summary>
    internal static byte[] Build(AcpiOptions options)
    {
        AcpiTable table = new("SRAT", 3);
        table.UInt32(1).Zeroes(8);
        for (int index = 0; index < options.Cpus.VcpuCount; index++) AddProcessor(table, options.Cpus.ApicId(index));
        ulong low = Math.Min(options.MemoryBytes, GuestMemory.LowMemoryLimit);
        AddMemory(table, 0, low, Enabled);
        if (options.MemoryBytes != low) AddMemory(table, GuestMemory.HighMemoryStart, options.MemoryBytes - low, Enabled);
        AddMemory(table, GuestMemory.PluggableStartOf(options.MemoryBytes), options.PluggableBytes, Enabled | HotPluggable);
        return table.Finish();
    }

    // All are of domain 0 (§5.2.16.1, §5.2.16.3).
    private static void AddProcessor(AcpiTable table, int id)
    {
        if (id < FirstX2ApicId) table.Byte(LocalApic).Byte(16).Byte(0).Byte((byte)id).UInt32(Enabled).Zeroes(8);
        else table.Byte(LocalX2Apic).Byte(24).Zeroes(6).UInt32((uint)id).UInt32(Enabled).Zeroes(8);
    }

    // §5.2.16.2.
    private static void AddMemory(AcpiTable table, ulong start, ulong lengthBytes, uint flags) =>
        table.Byte(Memory).Byte(40).Zeroes(6).UInt64(start).UInt64(lengthBytes).Zeroes(4).UInt32(flags).Zeroes(8);
}
