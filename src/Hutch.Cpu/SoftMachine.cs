using System;
using System.Collections.Immutable;
using System.Threading;
using Hutch.Core.Cpuid;
using Hutch.Core.Engine;
using Hutch.Core.Interrupts;
using Hutch.Core.Memory;
using Hutch.Core.State;
using Hutch.Cpu.Apic;
using Hutch.Cpu.Cpuid;
using Hutch.Cpu.Paravirtual;
using Hutch.Cpu.Runtime;
using Hutch.Cpu.Tables;
using Hutch.Host.Linux;
using Hutch.Host.Time;
using Hutch.Host.Trials;
using Hutch.Model.Machine;
using Hutch.Model.Processor;

namespace Hutch.Cpu;

/// <summary>The vCPUs of one machine and what they share: RAM, translated-code tracking, interrupt delivery.</summary>
internal sealed class SoftMachine : IVirtualMachine
{
    private readonly HostTsc _tsc;

    /// <param name="memory">Guest RAM.</param>
    /// <param name="topology">Arrangement of vCPUs.</param>
    /// <param name="model">CPU model; <see cref="CpuModelException"/> when it cannot be given.</param>
    /// <param name="timers">Timers and the clock.</param>
    /// <param name="readTsc">The host's TSC; null: the real one.</param>
    /// <param name="options">How translated code runs.</param>
    public SoftMachine(GuestMemory memory, CpuTopology topology, CpuModel model, ITimerService timers, Func<ulong>? readTsc = null, SoftEngineOptions options = default)
    {
        LockStep = options.LockStep;
        WritesGsBase = !options.AvoidsGsBaseInstructions && SystemTrials.FsGsBase().Works;
        Memory = memory;
        Topology = topology;
        Model = model;
        Timers = timers;
        EngineCpuid engine = SoftCpuid.Create();
        Cpuid = new CpuidTable(model, topology, engine);
        HasStableTsc = engine.Offer().Features[CpuFeature.ConstantTsc];
        Forms = new GuestForms(Cpuid.Features);
        _tsc = new HostTsc();
        Clock = new TscClock(readTsc ?? _tsc.Read, timers.Clock, timers.HostClock);
        CodePages = new CodePages(this, memory);
        var vcpus = new SoftVcpu[topology.VcpuCount];
        for (int i = 0; i < vcpus.Length; i++) vcpus[i] = new SoftVcpu(this, i);
        SoftVcpus = [.. vcpus];
        Vcpus = [.. vcpus];
        Router = new ApicRouter(this);
        foreach (SoftVcpu vcpu in vcpus) vcpu.Reset();
        memory.Layout.AddObserver(ForgetTranslations);
    }

    public GuestMemory Memory { get; }

    public CpuTopology Topology { get; }

    public CpuModel Model { get; }

    public ITimerService Timers { get; }

    /// <summary>Translated blocks are checked against the interpreter.</summary>
    public bool LockStep { get; }

    /// <summary>Translated code may use WRGSBASE.</summary>
    public bool WritesGsBase { get; }

    public CodePages CodePages { get; }

    public ImmutableArray<SoftVcpu> SoftVcpus { get; }

    /// <inheritdoc/>
    public ImmutableArray<IVcpu> Vcpus { get; }

    /// <summary>Which instructions guests have.</summary>
    public GuestForms Forms { get; }

    /// <inheritdoc/>
    public GuestCpu Cpu => Cpuid.Describe();

    /// <inheritdoc/>
    public IDirtyLog DirtyLog => CodePages.Dirty;

    /// <summary>CPUID of the vCPUs.</summary>
    public CpuidTable Cpuid { get; }

    /// <summary>The host's TSC counts evenly and alike on all of its CPUs, whether or not guests are told.</summary>
    public bool HasStableTsc { get; }

    /// <summary>How the TSC relates to the host's clock.</summary>
    public TscClock Clock { get; }

    /// <summary>Delivers interrupts to the local APICs.</summary>
    public ApicRouter Router { get; }

    /// <inheritdoc/>
    public IInterruptRouter Interrupts => Router;

    /// <inheritdoc/>
    public MachineClock SaveClock()
    {
        ulong host = Clock.ReadTsc();
        var counters = new ulong[SoftVcpus.Length];
        foreach (SoftVcpu vcpu in SoftVcpus) counters[vcpu.Index] = vcpu.Time.TscAt(host);
        return new MachineClock(Clock.GuestNanosecondsAt(host), Clock.Khz, [.. counters]);
    }

    /// <inheritdoc/>
    public void RestoreClock(MachineClock clock)
    {
        if (clock.Tsc.Length != SoftVcpus.Length)
            throw new StateException($"The state has the time stamp counters of {clock.Tsc.Length} vCPUs and the machine has {SoftVcpus.Length}.");
        ulong host = Clock.GoOn(clock.Nanoseconds, clock.TscKhz);
        foreach (SoftVcpu vcpu in SoftVcpus) vcpu.Time.GoOn(clock.Tsc[vcpu.Index], host);
    }

    /// <inheritdoc/>
    public ClockPair? ReadClocks()
    {
        if (!HasStableTsc) return null;
        (ulong host, DateTimeOffset wall) = Clock.ReadWall();
        return new ClockPair(SoftVcpus[0].Time.TscAt(host), Clock.Khz, wall);
    }

    /// <summary>Removes the write tags that other vCPUs hold for a page and waits until none of them can be using one.</summary>
    public void DropRemoteWriteTags(int page, ulong writers, SoftVcpu? self)
    {
        foreach (SoftVcpu vcpu in SoftVcpus)
            if (vcpu != self && (writers >> (vcpu.Index & 63) & 1) != 0) vcpu.Messages.Post(page, 0);
        ProcessBarrier.Execute();
        foreach (SoftVcpu vcpu in SoftVcpus)
        {
            if (vcpu == self || (writers >> (vcpu.Index & 63) & 1) == 0) continue;
            var spin = new SpinWait();
            while (vcpu.InGuest && vcpu.Messages.Any) spin.SpinOnce(sleep1Threshold: -1);
        }
    }

    /// <summary>Removes the write tags of all pages from all vCPUs and waits until none can be using one. Not on a vCPU's thread.</summary>
    public void DropAllWriteTags() => DropRemoteWriteTags(VcpuMessages.EveryPage, ulong.MaxValue, null);

    /// <summary>Guest memory has another layout: no vCPU goes on with what it knew of the old one.</summary>
    private void ForgetTranslations() => DropRemoteWriteTags(VcpuMessages.EveryTranslation, ulong.MaxValue, null);

    /// <summary>Invalidates translations of some granules of a page on the vCPUs that own any there.</summary>
    public void InvalidateCode(int page, ulong granules, ulong owners, SoftVcpu? self)
    {
        foreach (SoftVcpu vcpu in SoftVcpus)
        {
            if ((owners >> (vcpu.Index & 63) & 1) == 0) continue;
            if (vcpu == self) vcpu.Translations.InvalidateBlocks(page, granules);
            else vcpu.Messages.Post(page, granules);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Memory.Layout.RemoveObserver(ForgetTranslations);
        Router.Dispose();
        foreach (SoftVcpu vcpu in SoftVcpus) vcpu.Dispose();
        CodePages.Dispose();
        _tsc.Dispose();
    }
}
