using System.Collections.Immutable;

namespace Hutch.Model.Control;

/// <summary>Where a machine runs on its host, as the host says it.</summary>
/// <param name="Vcpus">The threads of the vCPUs.</param>
/// <param name="EmulatorCpus">Host CPUs of the process's first thread, and so of all that are no vCPUs.</param>
/// <param name="ControlGroup">The process's control group, version 2.</param>
/// <param name="Memory">Guest RAM.</param>
public sealed record VmDetails(ImmutableArray<VcpuInfo> Vcpus, string EmulatorCpus, string ControlGroup, MemoryInfo Memory)
{
    /// <summary>The memory balloon; null where the machine has none, or its guest no driver for it.</summary>
    public BalloonInfo? Balloon { get; init; }

    /// <summary>Memory that is plugged in; null where the machine can have none, or its guest has no driver for it.</summary>
    public PluggableMemoryInfo? Pluggable { get; init; }

    /// <summary>How many vCPUs it can have; <see cref="Vcpus"/> are those that it has.</summary>
    public int MostVcpus { get; init; }

    /// <summary>vCPUs that were plugged in and that the guest has not taken yet.</summary>
    public ImmutableArray<int> OfferedVcpus { get; init; } = [];

    /// <summary>vCPUs that the guest was asked to give up, and has not given up yet.</summary>
    public ImmutableArray<int> AskedVcpus { get; init; } = [];

    /// <summary>vCPUs that the guest would not take or give up when it was last asked.</summary>
    public ImmutableArray<int> RefusedVcpus { get; init; } = [];

    /// <summary>The names of its devices.</summary>
    public ImmutableArray<string> Devices { get; init; } = [];
}

/// <summary>The thread of a vCPU.</summary>
/// <param name="Index">Of the vCPU.</param>
/// <param name="ThreadId">The kernel's id.</param>
/// <param name="Cpus">Host CPUs that it may run on.</param>
/// <param name="Scheduler">How the host schedules it.</param>
/// <param name="CpuSeconds">CPU time that it has used.</param>
public sealed record VcpuInfo(int Index, int ThreadId, string Cpus, string Scheduler, double CpuSeconds);

/// <summary>Guest RAM on the host.</summary>
/// <param name="HugePageBytes">Size of the huge pages that it is made of; 0: ordinary pages.</param>
/// <param name="Locked">It stays in RAM.</param>
/// <param name="Mergeable">The host may merge it.</param>
/// <param name="MergedBytes">What the host has merged of this process.</param>
/// <param name="Numa">Its memory policy, or null.</param>
public sealed record MemoryInfo(ulong HugePageBytes, bool Locked, bool Mergeable, ulong MergedBytes, string? Numa);
