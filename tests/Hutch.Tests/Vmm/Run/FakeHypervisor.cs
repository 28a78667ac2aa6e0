using System;
using System.Collections.Immutable;
using System.Threading;
using Hutch.Core.Engine;
using Hutch.Core.Interrupts;
using Hutch.Core.Memory;
using Hutch.Model.Machine;

namespace Hutch.Tests.Vmm.Run;

/// <summary>An engine whose "guest" is a delegate that each Run of vCPU 0 executes; the other vCPUs wait.</summary>
internal sealed class FakeHypervisor(Func<FakeVcpu, IVcpuExits, VcpuStop> guest) : IHypervisor
{
    public string Name => "fake";

    public bool PrefersHugePages => false;

    internal FakeMachine? Machine { get; private set; }

    public IVirtualMachine CreateMachine(GuestMemory memory, CpuTopology topology, CpuModel model)
    {
        if (model.Name == "unknown") throw new CpuModelException("There is no CPU model 'unknown'; use max.");
        return Machine = new FakeMachine(memory, topology.VcpuCount, guest);
    }

    public void Dispose() { }
}

internal sealed class FakeMachine : IVirtualMachine, IInterruptRouter
{
    internal FakeMachine(GuestMemory memory, int count, Func<FakeVcpu, IVcpuExits, VcpuStop> guest)
    {
        Memory = memory;
        ImmutableArray<IVcpu>.Builder vcpus = ImmutableArray.CreateBuilder<IVcpu>();
        for (int index = 0; index < count; index++) vcpus.Add(new FakeVcpu(this, index, guest));
        Vcpus = vcpus.ToImmutable();
    }

    internal GuestMemory Memory { get; }

    public ImmutableArray<IVcpu> Vcpus { get; }

    public IInterruptRouter Interrupts => this;

    public GuestCpu Cpu => new("FakeVendor", 1, ["fpu"]);

    internal MachineClock? RestoredClock { get; private set; }

    public MachineClock SaveClock() => new(1, 1000, [.. new ulong[Vcpus.Length]]);

    public void RestoreClock(MachineClock clock) => RestoredClock = clock;

    public void SignalMsi(MsiMessage message) { }

    public void SetExternalInterrupt(bool asserted) { }

    public void Dispose() { }
}

internal sealed class FakeVcpu(FakeMachine machine, int index, Func<FakeVcpu, IVcpuExits, VcpuStop> guest) : IVcpu
{
    private readonly SemaphoreSlim _stop = new(0);

    internal X86VcpuState? Loaded { get; private set; }

    internal FakeMachine Machine => machine;

    internal int Runs { get; private set; }

    internal int Resets { get; private set; }

    public int Index => index;

    public VcpuFailure? Failure { get; set; }

    public VcpuStop Run(IVcpuExits exits)
    {
        Runs++;
        return index == 0 ? guest(this, exits) : WaitForStop();
    }

    /// <summary>What a halted guest does.</summary>
    internal VcpuStop WaitForStop()
    {
        _stop.Wait();
        return VcpuStop.Requested;
    }

    public void RequestStop() => _stop.Release();

    /// <summary>IA32_APIC_BASE, bit 11.</summary>
    internal bool IsApicOn { get; private set; } = true;

    public void Reset()
    {
        Resets++;
        IsApicOn = true;
    }

    public void SaveRegisters(X86VcpuState state) => (state.Msrs[0x2ff], state.Msrs[0x1b]) = (0, IsApicOn ? 0xfee0_0800 : 0xfee0_0000);

    public void RestoreRegisters(X86VcpuState state)
    {
        Loaded = state;
        if (state.Msrs.TryGetValue(0x1b, out ulong value)) IsApicOn = (value & 0x800) != 0;
    }

    public void Dispose() => _stop.Dispose();
}
