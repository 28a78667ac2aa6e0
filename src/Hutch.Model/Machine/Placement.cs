using System.Collections.Immutable;

namespace Hutch.Model.Machine;

/// <summary>Where a machine runs on its host, and where its memory lies. CPUs and nodes are written as the kernel writes them: <c>0-3,8</c>.</summary>
public sealed record Placement
{
    /// <summary>Wherever the host likes.</summary>
    public static Placement Anywhere { get; } = new();

    /// <summary>Host CPUs of single vCPUs.</summary>
    public ImmutableArray<VcpuPin> VcpuPins { get; init; } = [];

    /// <summary>Each vCPU gets a host CPU of its own, and the other threads what is left.</summary>
    public bool PinAuto { get; init; }

    /// <summary>Host CPUs of all threads that are no vCPUs, or null.</summary>
    public string? EmulatorCpus { get; init; }

    /// <summary>How the host schedules the vCPUs: <c>other</c>, <c>batch</c>, <c>idle</c>, <c>fifo:N</c>, <c>rr:N</c>; null: as it does all programs.</summary>
    public string? Scheduler { get; init; }

    /// <summary>Control group (version 2) of the process: a path below the hierarchy's root, or an absolute one; made when it is not there. Null: that of whoever starts it.</summary>
    public string? ControlGroup { get; init; }

    /// <summary>Guest RAM is made of huge pages of this size from the kernel's pool: 2 MiB or 1 GiB; 0: of ordinary pages.</summary>
    public ulong HugePageBytes { get; init; }

    /// <summary>Guest RAM asks for transparent huge pages.</summary>
    public bool TransparentHugePages { get; init; }

    /// <summary>The host may merge guest RAM with equal pages of other programs (KSM).</summary>
    public bool Mergeable { get; init; }

    /// <summary>Guest RAM stays in the host's RAM.</summary>
    public bool Locked { get; init; }

    /// <summary>All of guest RAM is taken before the guest starts.</summary>
    public bool Prealloc { get; init; }

    /// <summary>NUMA nodes of guest RAM: <c>bind:NODES</c>, <c>preferred:NODE</c>, <c>interleave:NODES</c>; null: the host's choice.</summary>
    public string? Numa { get; init; }
}

/// <summary>Host CPUs of one vCPU.</summary>
/// <param name="Vcpu">Index of the vCPU.</param>
/// <param name="Cpus">Host CPUs that it may run on.</param>
public sealed record VcpuPin(int Vcpu, string Cpus);
