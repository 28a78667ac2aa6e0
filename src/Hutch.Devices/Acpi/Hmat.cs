using System;
using System.Collections.Generic;
using System.Linq;
using Hutch.Model.Machine;

namespace Hutch.Devices.Acpi;

/// <summary>The heterogeneous memory attribute table (ACPI 6.5 §5.2.28): how fast each node's vCPUs reach each node's memory.</summary>
internal static class Hmat
{
    private const ushort ProximityAttributes = 0, Locality = 1, InitiatorValid = 1;
    private const byte OfMemory = 0, AccessLatency = 0, AccessBandwidth = 3;
    private const int AttributesBytes = 40, LocalityBytes = 32;

    // Entries are in units of a base: picoseconds, and megabytes a second. 0 says nothing, and the last number that there is no way.
    private const int PicosecondsPerNanosecond = 1000, MostEntry = ushort.MaxValue - 1;

    /// <summary>Builds the table. What nobody gave is not told, and neither is who is nearest to a node without vCPUs: guests see that from the numbers.</summary>
    internal static byte[] Build(AcpiOptions options)
    {
        AcpiTable table = new("HMAT", 2);
        table.UInt32(0);
        List<int> initiators = [];
        for (int node = 0; node < options.NumaNodes.Length; node++)
        {
            bool hasCpus = options.NumaNodes[node].Cpus.Length != 0;
            if (hasCpus) initiators.Add(node);
            // §5.2.28.3.
            table.UInt16(ProximityAttributes).UInt16(0).UInt32(AttributesBytes).UInt16(hasCpus ? InitiatorValid : (ushort)0).UInt16(0)
                .UInt32(hasCpus ? (uint)node : 0).UInt32((uint)node).Zeroes(20);
        }
        int most = options.NumaAccesses.Max(static one => one.BandwidthMegabytes), unit = 1;
        while (most / unit > MostEntry) unit *= 10;
        if (options.NumaAccesses.Any(static one => one.LatencyNanoseconds != 0)) AddLocality(table, options, initiators, AccessLatency, PicosecondsPerNanosecond, static one => one.LatencyNanoseconds);
        if (most != 0) AddLocality(table, options, initiators, AccessBandwidth, unit, one => one.BandwidthMegabytes == 0 ? 0 : Math.Max(1, one.BandwidthMegabytes / unit));
        return table.Finish();
    }

    // §5.2.28.4.
    private static void AddLocality(AcpiTable table, AcpiOptions options, List<int> initiators, byte kind, int unit, Func<NumaAccess, int> entry)
    {
        int targets = options.NumaNodes.Length;
        table.UInt16(Locality).UInt16(0).UInt32((uint)(LocalityBytes + (4 * (initiators.Count + targets)) + (2 * initiators.Count * targets)));
        table.Byte(OfMemory).Byte(kind).UInt16(0).UInt32((uint)initiators.Count).UInt32((uint)targets).UInt32(0).UInt64((ulong)unit);
        foreach (int node in initiators) table.UInt32((uint)node);
        for (int node = 0; node < targets; node++) table.UInt32((uint)node);
        foreach (int initiator in initiators)
            for (int target = 0; target < targets; target++)
                table.UInt16((ushort)(options.NumaAccesses.FirstOrDefault(one => one.Initiator == initiator && one.Target == target) is { } access ? entry(access) : 0));
    }
}
