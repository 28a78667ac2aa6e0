using System;
using Hutch.Model.Machine;

namespace Hutch.Core.Cpuid;

/// <summary>How CPUID tells the arrangement of vCPUs and which of them share caches.</summary>
internal readonly struct CpuidTopology(CpuTopology topology)
{
    private const uint ThreadLevel = 1, CoreLevel = 2, DieLevel = 5;

    /// <summary>vCPUs in a package.</summary>
    public int PerPackage => topology.PerPackage;

    /// <summary>APIC id bits of the vCPU in its package.</summary>
    public int PackageShift => topology.PackageShift;

    /// <summary>Leaf 0xb (Intel SDM 2A, CPUID): threads and cores.</summary>
    public CpuidRegisters Extended(uint subleaf, uint apicId) => subleaf switch
    {
        0 => new CpuidRegisters((uint)topology.CoreShift, (uint)topology.Threads, ThreadLevel << 8, apicId),
        1 => new CpuidRegisters((uint)topology.PackageShift, (uint)PerPackage, 1 | (CoreLevel << 8), apicId),
        _ => new CpuidRegisters(0, 0, subleaf & 0xff, apicId),
    };

    /// <summary>Leaf 0x1f: as 0xb, and the dies where a package has several.</summary>
    public CpuidRegisters ExtendedWithDies(uint subleaf, uint apicId)
    {
        if (topology.Dies == 1) return Extended(subleaf, apicId);
        return subleaf switch
        {
            1 => new CpuidRegisters((uint)topology.DieShift, (uint)topology.PerDie, 1 | (CoreLevel << 8), apicId),
            2 => new CpuidRegisters((uint)topology.PackageShift, (uint)PerPackage, 2 | (DieLevel << 8), apicId),
            _ => Extended(subleaf, apicId),
        };
    }

    /// <summary>A cache leaf (4, or 0x8000001d) with the sharing of this topology: levels 1 and 2 belong to a core, level 3 to a die.</summary>
    /// <param name="cache">The leaf of a CPU with these caches; EAX bits 14-31 are replaced.</param>
    /// <param name="isIntel">Leaf 4, which tells the widths of id fields; else the number of vCPUs.</param>
    public CpuidRegisters Cache(CpuidRegisters cache, bool isIntel)
    {
        if ((cache.Eax & 0x1f) == 0) return default;
        bool isLast = (cache.Eax >> 5 & 7) >= 3;
        uint eax = cache.Eax & 0x3fff;
        if (!isIntel) return cache with { Eax = eax | (uint)(Shared(isLast) - 1) << 14 };
        int sharing = isLast ? topology.DieShift : topology.CoreShift;
        return cache with { Eax = eax | Largest(sharing, 12) << 14 | Largest(topology.PackageShift - topology.CoreShift, 6) << 26 };
    }

    /// <summary>
    /// AMD APM 3, Fn8000_001E: extended APIC id; core and threads in it; node and nodes in the package. A die is a node.
    /// </summary>
    public CpuidRegisters AmdUnit(uint apicId)
    {
        uint inPackage = apicId & ((1u << PackageShift) - 1), core = inPackage >> topology.CoreShift, node = apicId >> topology.DieShift;
        return new CpuidRegisters(apicId, (core & 0xff) | ((uint)(topology.Threads - 1) << 8), (node & 0xff) | ((uint)(topology.Dies - 1) & 7) << 8, 0);
    }

    // AMD counts vCPUs, and Linux takes the id field as wide as the count needs: with gaps in the ids the count is that of the field.
    private int Shared(bool isLast) => isLast ? 1 << topology.DieShift : 1 << topology.CoreShift;

    // The highest number of an id field, as far as the leaf has bits for it.
    private static uint Largest(int bits, int room) => (1u << Math.Min(bits, room)) - 1;
}
