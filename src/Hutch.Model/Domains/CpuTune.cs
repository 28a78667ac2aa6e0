using System.Collections.Immutable;

namespace Hutch.Model.Domains;

/// <summary>Where and how much the threads of a domain run: <c>cputune</c>. Sets are written as libvirt writes them: <c>0-3,^2</c>.</summary>
public sealed record CpuTune
{
    /// <summary>Weight of the vCPUs in their control group.</summary>
    public ulong? Shares { get; init; }

    /// <summary>Microseconds of a period in which <see cref="Limits"/>' quotas count: limits by name (<c>period</c>, <c>quota</c>, <c>global_period</c>, <c>emulator_quota</c>, <c>iothread_period</c>, ...); a negative quota is none.</summary>
    public ImmutableArray<CpuLimit> Limits { get; init; } = [];

    /// <summary>Host CPUs of vCPUs.</summary>
    public ImmutableArray<ThreadPin> VcpuPins { get; init; } = [];

    /// <summary>Host CPUs of all threads that are no vCPUs and no I/O threads.</summary>
    public string? EmulatorPin { get; init; }

    /// <summary>Host CPUs of I/O threads, which are numbered from 1.</summary>
    public ImmutableArray<ThreadPin> IoThreadPins { get; init; } = [];

    /// <summary>Scheduler classes.</summary>
    public ImmutableArray<ThreadScheduler> Schedulers { get; init; } = [];

    /// <summary>Elements that are not modelled.</summary>
    public ImmutableArray<string> Kept { get; init; } = [];
}

/// <summary>A limit of CPU time.</summary>
/// <param name="Name">Its element.</param>
/// <param name="Value">Microseconds.</param>
public sealed record CpuLimit(string Name, long Value);

/// <summary>Where a thread runs.</summary>
/// <param name="Id">Of the vCPU or I/O thread.</param>
/// <param name="CpuSet">Host CPUs.</param>
public sealed record ThreadPin(int Id, string CpuSet);

/// <summary>How threads are scheduled.</summary>
/// <param name="Kind"><c>vcpu</c>, <c>iothread</c> or <c>emulator</c>.</param>
/// <param name="Ids">Which of them, as libvirt writes sets; null for <c>emulator</c>.</param>
/// <param name="Class"><c>batch</c>, <c>idle</c>, <c>fifo</c>, <c>rr</c>.</param>
/// <param name="Priority">1 to 99, for <c>fifo</c> and <c>rr</c>.</param>
public sealed record ThreadScheduler(string Kind, string? Ids, string Class, int? Priority);

/// <summary>Host nodes of a domain's memory: <c>numatune</c>.</summary>
public sealed record NumaTune
{
    /// <summary><c>strict</c>, <c>preferred</c>, <c>interleave</c>, <c>restrictive</c>; null: not said.</summary>
    public string? Mode { get; init; }

    /// <summary>Host nodes, as libvirt writes sets.</summary>
    public string? NodeSet { get; init; }

    /// <summary><c>static</c> or <c>auto</c>; null: not said.</summary>
    public string? Placement { get; init; }

    /// <summary>For single guest nodes.</summary>
    public ImmutableArray<NumaTuneCell> Cells { get; init; } = [];
}

/// <summary>Host nodes of the memory of a guest's node.</summary>
/// <param name="CellId">The guest's node.</param>
/// <param name="Mode">As <see cref="NumaTune.Mode"/>.</param>
/// <param name="NodeSet">Host nodes.</param>
public sealed record NumaTuneCell(int CellId, string Mode, string NodeSet);
