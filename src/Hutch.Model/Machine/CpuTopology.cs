using System.Numerics;

namespace Hutch.Model.Machine;

/// <summary>CPU packages, dies in a package, cores in a die and threads in a core. The product is the number of vCPUs, which are numbered in this order.</summary>
/// <param name="Sockets">Packages, at least 1.</param>
/// <param name="Cores">Cores in a die, at least 1.</param>
/// <param name="Threads">Threads in a core, at least 1.</param>
/// <param name="Dies">Dies in a package, at least 1.</param>
public sealed record CpuTopology(int Sockets, int Cores, int Threads, int Dies = 1)
{
    /// <summary>Number of vCPUs.</summary>
    public int VcpuCount => Sockets * Dies * Cores * Threads;

    /// <summary>vCPUs in a die.</summary>
    public int PerDie => Cores * Threads;

    /// <summary>vCPUs in a package.</summary>
    public int PerPackage => Dies * Cores * Threads;

    /// <summary>APIC id bits below the core: those of the thread.</summary>
    public int CoreShift => WidthOf(Threads);

    /// <summary>APIC id bits below the die.</summary>
    public int DieShift => CoreShift + WidthOf(Cores);

    /// <summary>APIC id bits below the package.</summary>
    public int PackageShift => DieShift + WidthOf(Dies);

    /// <summary>The highest APIC id.</summary>
    public int HighestApicId => ApicId(VcpuCount - 1);

    /// <summary>
    /// The APIC id of a vCPU: thread, core, die and package each have a field as wide as their numbers need (Intel SDM 3A §11.9.1; AMD APM 3, Fn8000_0008 ECX), so
    /// ids have gaps where counts are no powers of two.
    /// </summary>
    /// <param name="index">0-based number of the vCPU.</param>
    public int ApicId(int index)
    {
        int thread = index % Threads, core = index / Threads % Cores, die = index / PerDie % Dies;
        return thread | core << CoreShift | die << DieShift | index / PerPackage << PackageShift;
    }

    /// <summary>Bits that count to a number.</summary>
    public static int WidthOf(int count) => count <= 1 ? 0 : 32 - BitOperations.LeadingZeroCount((uint)(count - 1));
}
