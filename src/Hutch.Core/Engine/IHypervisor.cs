using System;
using Hutch.Core.Interrupts;
using Hutch.Core.Memory;
using Hutch.Model.Machine;

namespace Hutch.Core.Engine;

/// <summary>A CPU engine: software, or /dev/kvm. Two implementations, one contract test suite.</summary>
public interface IHypervisor : IDisposable
{
    /// <summary>"software" or "kvm".</summary>
    string Name { get; }

    /// <summary>
    /// True when huge pages make guest memory cheaper to reach: with nested paging a page of 2 MiB takes one exit for the first touch of all that is in it.
    /// </summary>
    bool PrefersHugePages { get; }

    /// <summary>Creates the CPU side of one machine. The machine does not own <paramref name="memory"/>.</summary>
    IVirtualMachine CreateMachine(GuestMemory memory, CpuTopology topology, CpuModel model);
}

/// <summary>The CPUs and local APICs of one machine.</summary>
public interface IVirtualMachine : IDisposable
{
    /// <summary>The vCPUs, one for each present CPU of the topology; index 0 is the boot processor. APIC ids: <see cref="CpuTopology.ApicId"/>.</summary>
    System.Collections.Immutable.ImmutableArray<IVcpu> Vcpus { get; }

    /// <summary>Where MSIs and the PIC's output go.</summary>
    IInterruptRouter Interrupts { get; }

    /// <summary>Doorbells, or null where the engine has nothing faster than an access.</summary>
    IDoorbellRegistry? Doorbells => null;

    /// <summary>Which pages were written, or null where the engine does not know.</summary>
    IDirtyLog? DirtyLog => null;

    /// <summary>The CPU that the guest sees.</summary>
    GuestCpu Cpu { get; }

    /// <summary>Reads the guest's clocks, all at one moment. No vCPU runs.</summary>
    MachineClock SaveClock();

    /// <summary>
    /// Lets the guest's clocks go on from a reading, as if no time had passed since. No vCPU runs. Comes before
    /// <see cref="IVcpu.RestoreRegisters"/>, whose timers count on it. Throws <see cref="State.StateException"/> when the TSC's frequency cannot be given.
    /// </summary>
    void RestoreClock(MachineClock clock);

    /// <summary>The guest's TSC and the host's wall clock at one moment; null where the engine cannot tell. Any thread, while vCPUs run too. The first call may take 10 ms.</summary>
    ClockPair? ReadClocks() => null;
}

/// <summary>Why <see cref="IVcpu.Run"/> returned.</summary>
public enum VcpuStop
{
    /// <summary><see cref="IVcpu.RequestStop"/> was called.</summary>
    Requested,

    /// <summary>Triple fault: on a PC the platform resets.</summary>
    TripleFault,

    /// <summary>The engine cannot go on; <see cref="IVcpu.Failure"/> says why.</summary>
    Failed,
}

/// <summary>One virtual CPU. Run is called on the vCPU's own thread; everything else but RequestStop only while it is not running.</summary>
public interface IVcpu : IDisposable
{
    /// <summary>0-based index; the APIC id follows from it (<see cref="CpuTopology.ApicId"/>).</summary>
    int Index { get; }

    /// <summary>What went wrong, after <see cref="VcpuStop.Failed"/>.</summary>
    VcpuFailure? Failure { get; }

    /// <summary>Executes guest code, waiting in HLT or wait-for-SIPI as needed, until a reason in <see cref="VcpuStop"/> arises.</summary>
    VcpuStop Run(IVcpuExits exits);

    /// <summary>
    /// Any thread. Run returns promptly, at an instruction boundary; if it is not running, the next Run returns at once.
    /// One request ends one Run.
    /// </summary>
    void RequestStop();

    /// <summary>Back to the state after a hardware reset (Intel SDM 3A table 9-1), local APIC included. Index 0 becomes runnable, others wait for SIPI.</summary>
    void Reset();

    /// <summary>Copies the architectural state out.</summary>
    void SaveRegisters(X86VcpuState state);

    /// <summary>Replaces the architectural state.</summary>
    void RestoreRegisters(X86VcpuState state);
}
