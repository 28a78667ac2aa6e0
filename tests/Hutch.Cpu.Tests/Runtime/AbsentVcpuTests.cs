using System;
using Hutch.Core.Engine;
using Hutch.Cpu.Tests.Apic;
using Xunit;

namespace Hutch.Cpu.Tests.Runtime;

/// <summary>vCPUs that nobody runs: they are not plugged in.</summary>
public sealed class AbsentVcpuTests
{
    private const uint ApicBase = 0x1b;

    [Fact]
    public void Messages_to_a_vcpu_that_takes_none_do_not_gather()
    {
        using ApicMachine machine = new(vcpus: 2);
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 1_000_000; i++) machine.Vcpu(1).Messages.Post(i % 200, 1UL << (i % 64));
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 1 << 20);
        machine.Vcpu(1).Messages.Take();
        Assert.False(machine.Vcpu(1).Messages.Any);
    }

    // Intel SDM 3A §11.4.3: an APIC that is disabled globally takes no message.
    [Fact]
    public void A_local_apic_that_is_switched_off_hears_no_start_up()
    {
        using ApicMachine machine = new(vcpus: 2);
        X86VcpuState state = new();
        machine.Vcpu(1).SaveRegisters(state);
        state.Msrs[ApicBase] &= ~0x800UL;
        machine.Vcpu(1).RestoreRegisters(state);
        // INIT and start-up to all but self.
        machine.Write(0, ApicMachine.IcrLow, 0xc4500);
        machine.Write(0, ApicMachine.IcrLow, 0xc4608);
        Assert.False(machine.Apic(1).TakeInit());
        Assert.Equal(-1, machine.Apic(1).TakeSipi());
        machine.Vcpu(1).Reset();
        X86VcpuState again = new();
        machine.Vcpu(1).SaveRegisters(again);
        Assert.Equal((VcpuActivity.WaitForSipi, 0x800UL), (again.Activity, again.Msrs[ApicBase] & 0x900));
        machine.Write(0, ApicMachine.IcrLow, 0xc4500);
        machine.Write(0, ApicMachine.IcrLow, 0xc4608);
        Assert.True(machine.Apic(1).TakeInit());
        Assert.Equal(8, machine.Apic(1).TakeSipi());
    }
}
