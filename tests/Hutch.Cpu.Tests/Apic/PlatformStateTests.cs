using Hutch.Core.Engine;
using Hutch.Cpu.Apic;
using Hutch.Cpu.Msr;
using Xunit;

namespace Hutch.Cpu.Tests.Apic;

public sealed class PlatformStateTests
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void An_armed_deadline_and_the_apics_mode_move_to_another_machine(bool extended)
    {
        using var from = new ApicMachine();
        from.Write(0, ApicMachine.LvtTimer, (2 << 17) | 0x42);
        if (extended) from.EnterX2Apic(0);
        from.Apic().Cr8 = 2;
        ulong deadline = from.Msr(0, MsrIndex.Tsc) + 26_000_000;
        from.WriteMsr(0, MsrIndex.TscDeadline, deadline);
        from.Apic().Deliver(DeliveryMode.Nmi, 0, level: false);
        var state = new X86VcpuState();
        PlatformState.Save(from.Vcpu(), state);

        using var to = new ApicMachine(enabled: false);
        PlatformState.Restore(to.Vcpu(), state);
        Assert.Equal(extended ? ApicMode.X2Apic : ApicMode.XApic, to.Apic().Mode);
        Assert.Equal(2ul, to.Apic().Cr8);
        Assert.True(to.Apic().TakeNmi());
        Assert.Equal(deadline, to.Msr(0, MsrIndex.TscDeadline));
        to.Timers.Advance(10_000_001);
        Assert.Equal(0x42, to.Pending());
    }

    [Fact]
    public void An_empty_record_leaves_the_apic_as_reset()
    {
        using var m = new ApicMachine(2, enabled: false);
        PlatformState.Restore(m.Vcpu(), new X86VcpuState());
        Assert.Equal(0xffu, m.Read(0, ApicMachine.Svr));
        Assert.False(m.Apic().WaitingForSipi);
    }
}
