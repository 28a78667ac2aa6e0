using System.Numerics;
using Hutch.Model.Machine;

namespace Hutch.Core.Cpuid;

/// <summary>How CPUID tells the arrangement of vCPUs. APIC ids are the vCPU indexes, so field widths fit best where cores and threads are powers of two.</summary>
internal readonly struct CpuidTopology(CpuTopology topology)
{
    /// <summary>Threads in a core.</summary>
    public int Threads => topology.Threads;

    /// <summary>Cores in a package.</summary>
    public int Cores => topology.Cores;

    /// <summary>vCPUs in a package.</summary>
    public int PerPackage => topology.Cores * topology.Threads;

    /// <summary>APIC id bits of the thread in its core.</summary>
    public int ThreadBits => WidthOf(topology.Threads);

    /// <summary>APIC id bits of the vCPU in its package.</summary>
    public int PackageBits => topology.Sockets == 1 ? WidthOf(PerPackage) : WidthOf(topology.Threads) + WidthOf(topology.Cores);

    /// <summary>Bits that count to a number.</summary>
    public static int WidthOf(int count) => count <= 1 ? 0 : 32 - BitOperations.LeadingZeroCount((uint)(count - 1));

    /// <summary>Leaves 0xb and 0x1f (Intel SDM 2A, CPUID).</summary>
    public CpuidRegisters Extended(uint subleaf, uint apicId) => subleaf switch
    {
        0 => new CpuidRegisters((uint)ThreadBits, (uint)Threads, 1 << 8, apicId),
        1 => new CpuidRegisters((uint)PackageBits, (uint)PerPackage, 1 | (2 << 8), apicId),
        _ => new CpuidRegisters(0, 0, subleaf & 0xff, apicId),
    };

    /// <summary>A cache leaf of the host (4, or 0x8000001d) with the sharing of this topology: levels 1 and 2 belong to a core, level 3 to the package.</summary>
    public CpuidRegisters Cache(CpuidRegisters host, bool isIntel)
    {
        if ((host.Eax & 0x1f) == 0) return default;
        int level = (int)(host.Eax >> 5) & 7;
        int sharing = level >= 3 ? PerPackage : Threads;
        uint eax = host.Eax & 0x3fff;
        // Intel: the fields are the largest ids that fit; AMD: the number itself.
        eax |= (uint)((isIntel ? 1 << WidthOf(sharing) : sharing) - 1) << 14;
        if (isIntel) eax |= (uint)((1 << (PackageBits - ThreadBits)) - 1) << 26;
        return host with { Eax = eax };
    }
}
