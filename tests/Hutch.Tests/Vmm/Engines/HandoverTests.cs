using System;
using System.Collections.Generic;
using System.Collections.Immutable;
using System.Threading;
using Hutch.Core.Engine;
using Hutch.Core.Interrupts;
using Hutch.Core.Memory;
using Hutch.Cpu;
using Hutch.Host.Events;
using Hutch.Host.Time;
using Hutch.Tests.Kvm.Probe;
using Hutch.Model.Machine;
using Hutch.Vmm.Engines;
using Xunit;

namespace Hutch.Tests.Vmm.Engines;

/// <summary>A machine that moves from one engine to another while it is stopped; both are software engines here, the first with faults.</summary>
public sealed class HandoverTests : IDisposable
{
    private readonly GuestMemory _memory = GuestMemory.Create(16 << 20);
    private readonly TimerQueue _timers = new(new MonotonicClock());
    private readonly List<string> _said = [];

    public void Dispose()
    {
        _timers.Dispose();
        _memory.Dispose();
    }

    [Fact]
    public void Every_vcpu_goes_on_where_it_was()
    {
        using Faulty engine = new(_timers);
        using HandoverHypervisor both = Both(engine);
        using HandoverMachine machine = (HandoverMachine)both.CreateMachine(_memory, new CpuTopology(1, 2, 1), CpuModel.Max);
        X86VcpuState before = new();
        machine.Vcpus[0].SaveRegisters(before);
        before.Gpr[3] = 0x1234;
        before.Rip = 0x5678;
        machine.Vcpus[0].RestoreRegisters(before);
        Assert.Equal("kvm", both.Name);
        Assert.Null(machine.Prepare());
        Assert.Null(machine.HandOver(machine.SaveClock(), "it failed"));
        Assert.True(machine.IsHandedOver);
        Assert.Equal("software", both.Name);
        X86VcpuState after = new(), other = new();
        machine.Vcpus[0].SaveRegisters(after);
        machine.Vcpus[1].SaveRegisters(other);
        Assert.Equal((0x1234UL, 0x5678UL), (after.Gpr[3], after.Rip));
        Assert.Equal(VcpuActivity.WaitForSipi, other.Activity);
        Assert.Equal(before.LocalApic, after.LocalApic);
        Assert.Equal(["Engine: software from here on (it failed)."], _said);
        Assert.Equal("it was handed over before.", machine.Prepare());
    }

    [Fact]
    public void The_exception_of_an_instruction_that_was_given_up_is_forgotten()
    {
        using Faulty engine = new(_timers) { Failure = "cannot" };
        using HandoverHypervisor both = Both(engine);
        using HandoverMachine machine = (HandoverMachine)both.CreateMachine(_memory, new CpuTopology(1, 1, 1), CpuModel.Max);
        Assert.Null(machine.Prepare());
        Assert.Null(machine.HandOver(machine.SaveClock(), "it failed"));
        X86VcpuState after = new();
        machine.Vcpus[0].SaveRegisters(after);
        // Delivered it would have been a jump through an empty table.
        Assert.Equal(0xfff0UL, after.Rip);
        Assert.Null(after.PendingException);
    }

    [Fact]
    public void A_guest_that_uses_what_the_other_engine_lacks_stays()
    {
        using Faulty engine = new(_timers) { Extra = "kvm-steal-time" };
        using HandoverHypervisor both = Both(engine);
        using HandoverMachine machine = (HandoverMachine)both.CreateMachine(_memory, new CpuTopology(1, 1, 1), CpuModel.Max);
        Assert.Contains("kvm-steal-time", machine.Prepare()!, StringComparison.Ordinal);
        Assert.False(machine.IsHandedOver);
        Assert.Empty(_said);
    }

    [Fact]
    public void Interrupts_no_longer_reach_the_first_engine()
    {
        using Faulty engine = new(_timers);
        using HandoverHypervisor both = Both(engine);
        using HandoverMachine machine = (HandoverMachine)both.CreateMachine(_memory, new CpuTopology(1, 1, 1), CpuModel.Max);
        machine.Interrupts.SetExternalInterrupt(true);
        Assert.Null(machine.Prepare());
        Assert.Null(machine.HandOver(machine.SaveClock(), "it failed"));
        machine.Interrupts.SetExternalInterrupt(false);
        Assert.Equal(1, engine.ExternalLevels);
    }

    [Fact]
    public void A_vector_that_others_signal_goes_on_with_the_other_engine()
    {
        using Faulty engine = new(_timers);
        using HandoverHypervisor both = Both(engine);
        using HandoverMachine machine = (HandoverMachine)both.CreateMachine(_memory, new CpuTopology(1, 1, 1), CpuModel.Max);
        X86VcpuState state = new();
        machine.Vcpus[0].SaveRegisters(state);
        // The local APIC is enabled by its spurious vector register.
        BitConverter.TryWriteBytes(state.LocalApic.AsSpan(0xf0), 0x1ff);
        machine.Vcpus[0].RestoreRegisters(state);
        using IMsiVector vector = machine.Interrupts.CreateVector()!;
        vector.SetMessage(new MsiMessage(0xfee0_0000, 0x51));
        Assert.Null(machine.Prepare());
        Assert.Null(machine.HandOver(machine.SaveClock(), "it failed"));
        vector.Event.Signal();
        // It came through the second engine: the first has lost its vCPU.
        Assert.True(SpinWait.SpinUntil(() => Requested(machine.Vcpus[0], 0x51), 30_000));
        vector.SetMessage(null);
        vector.Event.Signal();
        Assert.True(vector.Event.Drain());
    }

    [KvmFact]
    public void What_this_hosts_kvm_and_the_software_engine_have_in_common_is_enough()
    {
        using IHypervisor kvm = Hutch.Tests.Engine.Engines.Create(Hutch.Tests.Engine.Engines.Kvm);
        using HandoverHypervisor both = new(kvm, () => new SoftHypervisor(_timers), _said.Add, SoftHypervisor.OfferCpu().Features);
        using HandoverMachine machine = (HandoverMachine)both.CreateMachine(_memory, new CpuTopology(1, 2, 1), CpuModel.Max);
        Assert.Null(machine.Prepare());
        Assert.Null(machine.HandOver(machine.SaveClock(), "it failed"));
        X86VcpuState state = new();
        machine.Vcpus[0].SaveRegisters(state);
        Assert.Equal(0xfff0UL, state.Rip);
    }

    // The vector's bit in the interrupt request register.
    private static bool Requested(IVcpu vcpu, int vector)
    {
        X86VcpuState state = new();
        vcpu.SaveRegisters(state);
        return (state.LocalApic[0x200 + (vector / 32 * 16) + (vector % 32 / 8)] & 1 << (vector % 8)) != 0;
    }

    private HandoverHypervisor Both(Faulty engine) => new(engine, () => new SoftHypervisor(_timers), _said.Add);

    /// <summary>A software engine that calls itself KVM.</summary>
    private sealed class Faulty(ITimerService timers) : IHypervisor
    {
        private readonly SoftHypervisor _engine = new(timers);

        internal string? Failure { get; init; }

        internal string? Extra { get; init; }

        internal int ExternalLevels { get; set; }

        public string Name => "kvm";

        public bool PrefersHugePages => false;

        public IVirtualMachine CreateMachine(GuestMemory memory, CpuTopology topology, CpuModel model) => new FaultyMachine(this, _engine.CreateMachine(memory, topology, model));

        public void Dispose() => _engine.Dispose();
    }

    private sealed class FaultyMachine : IVirtualMachine, IInterruptRouter
    {
        private readonly Faulty _engine;
        private readonly IVirtualMachine _inner;

        internal FaultyMachine(Faulty engine, IVirtualMachine inner)
        {
            (_engine, _inner) = (engine, inner);
            ImmutableArray<IVcpu>.Builder vcpus = ImmutableArray.CreateBuilder<IVcpu>();
            foreach (IVcpu vcpu in inner.Vcpus) vcpus.Add(new FaultyVcpu(engine, vcpu));
            Vcpus = vcpus.ToImmutable();
        }

        public ImmutableArray<IVcpu> Vcpus { get; }

        public IInterruptRouter Interrupts => this;

        public GuestCpu Cpu => _engine.Extra is null ? _inner.Cpu : _inner.Cpu with { Features = _inner.Cpu.Features.Add(_engine.Extra) };

        public MachineClock SaveClock() => _inner.SaveClock();

        public void RestoreClock(MachineClock clock) => _inner.RestoreClock(clock);

        public void SignalMsi(MsiMessage message) => _inner.Interrupts.SignalMsi(message);

        public void SetExternalInterrupt(bool asserted) => _engine.ExternalLevels++;

        public IMsiVector? CreateVector(EventFd? existing = null) => _inner.Interrupts.CreateVector(existing);

        public void Dispose() => _inner.Dispose();
    }

    private sealed class FaultyVcpu(Faulty engine, IVcpu inner) : IVcpu
    {
        public int Index => inner.Index;

        public VcpuFailure? Failure => engine.Failure is null ? null : new VcpuFailure(engine.Failure);

        public VcpuStop Run(IVcpuExits exits) => VcpuStop.Failed;

        public void RequestStop() => inner.RequestStop();

        public void Reset() => inner.Reset();

        public void SaveRegisters(X86VcpuState state)
        {
            inner.SaveRegisters(state);
            if (engine.Failure is not null) state.PendingException = new PendingException(6, false, 0);
        }

        public void RestoreRegisters(X86VcpuState state) => inner.RestoreRegisters(state);

        public void Dispose() { }
    }
}
