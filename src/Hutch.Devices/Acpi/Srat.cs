using System;
using Hutch.Core.Memory;
using Hutch.Host.Scheduling;

namespace Hutch.Devices.Acpi;

/// <summary>
/// The system resource affinity table (ACPI 6.5 §5.2.16): which vCPUs and which memory are of which node. In a machine of one node whose memory can grow it alone tells a kernel
/// how high its memory can go, which it must know when it chooses how devices reach memory. Other machines of one node have no table.
/// </summary>
internal static class Srat
{
    private const byte LocalApic = 0, Memory = 1, LocalX2Apic = 2;
    private const uint Enabled = 1, HotPluggable = 2;
    private const int FirstX2ApicId = 255;

    /// <summary>Builds the table. Memory that can be plugged in is of the first node.</summary>
    internal static byte[] Build(AcpiOptions options)
    {
        AcpiTable table = new("SRAT", 3);
        table.UInt32(1).Zeroes(8);
        int[]? nodes = NodesOf(options);
        for (int index = 0; index < options.Cpus.VcpuCount; index++) AddProcessor(table, options.Cpus.ApicId(index), (uint)(nodes?[index] ?? 0));
        ulong low = Math.Min(options.MemoryBytes, GuestMemory.LowMemoryLimit);
        if (options.NumaNodes.IsEmpty) AddRam(table, 0, 0, options.MemoryBytes, low);
        ulong start = 0;
        for (int node = 0; node < options.NumaNodes.Length; node++)
        {
            ulong end = start + options.NumaNodes[node].MemoryBytes;
            AddRam(table, (uint)node, start, end, low);
            start = end;
        }
        if (options.PluggableBytes != 0) AddMemory(table, 0, GuestMemory.PluggableStartOf(options.MemoryBytes), options.PluggableBytes, Enabled | HotPluggable);
        return table.Finish();
    }

    /// <summary>The node of each vCPU, which is in one of them as the definition was checked; null: the machine has no nodes.</summary>
    internal static int[]? NodesOf(AcpiOptions options)
    {
        if (options.NumaNodes.IsEmpty) return null;
        int[] nodes = new int[options.Cpus.VcpuCount];
        for (int node = 0; node < options.NumaNodes.Length; node++)
            foreach (int vcpu in CpuSet.Parse(options.NumaNodes[node].Cpus)?.Numbers ?? []) nodes[vcpu] = node;
        return nodes;
    }

    // §5.2.16.1, §5.2.16.3.
    private static void AddProcessor(AcpiTable table, int id, uint node)
    {
        if (id < FirstX2ApicId) table.Byte(LocalApic).Byte(16).Byte((byte)node).Byte((byte)id).UInt32(Enabled).Byte(0).Byte((byte)(node >> 8)).UInt16((ushort)(node >> 16)).Zeroes(4);
        else table.Byte(LocalX2Apic).Byte(24).Zeroes(2).UInt32(node).UInt32((uint)id).UInt32(Enabled).Zeroes(8);
    }

    // A part of RAM by its place without the hole below 4 GiB: what reaches over that is in two pieces.
    private static void AddRam(AcpiTable table, uint node, ulong start, ulong end, ulong low)
    {
        if (start < low) AddMemory(table, node, start, Math.Min(end, low) - start, Enabled);
        ulong above = Math.Max(start, low);
        if (end > above) AddMemory(table, node, GuestMemory.HighMemoryStart + (above - low), end - above, Enabled);
    }

    // §5.2.16.2.
    private static void AddMemory(AcpiTable table, uint node, ulong start, ulong lengthBytes, uint flags) =>
        table.Byte(Memory).Byte(40).UInt32(node).Zeroes(2).UInt64(start).UInt64(lengthBytes).Zeroes(4).UInt32(flags).Zeroes(8);
}
