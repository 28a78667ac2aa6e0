using System;
using System.Collections.Generic;
using System.Linq;
using Hutch.Host.Scheduling;

namespace Hutch.Daemon.Libvirt.Procedures;

/// <summary>Sets of host CPUs as the protocol has them: bit i % 8 of byte i / 8 is CPU i.</summary>
internal static class CpuMap
{
    /// <summary>Bytes for so many CPUs.</summary>
    internal static int Bytes(int cpus) => (cpus + 7) / 8;

    /// <summary>One more than the highest number in a set.</summary>
    internal static int Length(CpuSet cpus) => cpus.Count == 0 ? 0 : cpus.Numbers.Max() + 1;

    /// <summary>A map of exactly so many bytes; CPUs beyond it are left out.</summary>
    internal static byte[] Of(CpuSet cpus, int bytes)
    {
        byte[] map = new byte[bytes];
        Fill(map, cpus);
        return map;
    }

    /// <summary>Sets the bits of a set's CPUs, as far as there is room.</summary>
    internal static void Fill(Span<byte> map, CpuSet cpus)
    {
        foreach (int cpu in cpus.Numbers)
            if (cpu / 8 < map.Length) map[cpu / 8] |= (byte)(1 << (cpu % 8));
    }

    /// <summary>The set of a map.</summary>
    internal static CpuSet Read(byte[] map)
    {
        List<int> cpus = [];
        for (int cpu = 0; cpu < Math.Min(map.Length * 8, CpuSet.Limit); cpu++)
            if ((map[cpu / 8] & (1 << (cpu % 8))) != 0) cpus.Add(cpu);
        return new CpuSet(cpus);
    }
}
