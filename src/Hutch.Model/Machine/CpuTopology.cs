namespace Hutch.Model.Machine;

/// <summary>CPU packages, cores per package and threads per core. The product is the number of vCPUs.</summary>
/// <param name="Sockets">Packages, at least 1.</param>
/// <param name="Cores">Cores in a package, at least 1.</param>
/// <param name="Threads">Threads in a core, at least 1.</param>
public sealed record CpuTopology(int Sockets, int Cores, int Threads)
{
    /// <summary>Number of vCPUs.</summary>
    public int VcpuCount => Sockets * Cores * Threads;
}
