using Hutch.Core.Interrupts;
using Hutch.Cpu.Apic;
using Xunit;

namespace Hutch.Cpu.Tests.Apic;

public sealed class LocalApicTests
{
    [Fact]
    public void Reset_state_is_the_architectural_one()
    {
        using var m = new ApicMachine(2, enabled: false);
        Assert.Equal(0x0100_0000u, m.Read(1, ApicMachine.Id));
        Assert.Equal(0x0005_0014u, m.Read(0, ApicMachine.Version));
        Assert.Equal(0xffu, m.Read(0, ApicMachine.Svr));
        Assert.Equal(uint.MaxValue, m.Read(0, ApicMachine.Dfr));
        Assert.Equal(0x10000u, m.Read(0, ApicMachine.Lint0));
        Assert.False(m.Apic(0).WaitingForSipi);
        Assert.True(m.Apic(1).WaitingForSipi);
    }

    [Fact]
    public void A_higher_class_interrupts_a_lower_one_and_ends_first()
    {
        using var m = new ApicMachine();
        m.Apic().Deliver(DeliveryMode.Fixed, 0x41, level: false);
        m.Apic().Acknowledge((byte)m.Pending());
        m.Apic().Deliver(DeliveryMode.Fixed, 0x4f, level: false);
        Assert.Equal(-1, m.Pending());
        m.Apic().Deliver(DeliveryMode.Fixed, 0x50, level: false);
        Assert.Equal(0x50, m.Pending());
        m.Apic().Acknowledge(0x50);
        Assert.Equal(0x50u, m.Read(0, ApicMachine.Ppr));
        m.Write(0, ApicMachine.Eoi, 0);
        Assert.Equal(0x40u, m.Read(0, ApicMachine.Ppr));
        m.Write(0, ApicMachine.Eoi, 0);
        Assert.Equal(0x4f, m.Pending());
    }

    [Fact]
    public void Cr8_and_tpr_are_one_register()
    {
        using var m = new ApicMachine();
        m.Apic().Cr8 = 5;
        Assert.Equal(0x50u, m.Read(0, ApicMachine.Tpr));
        m.Apic().Deliver(DeliveryMode.Fixed, 0x5f, level: false);
        Assert.Equal(-1, m.Pending());
        m.Write(0, ApicMachine.Tpr, 0x4f);
        Assert.Equal(4ul, m.Apic().Cr8);
        Assert.Equal(0x5f, m.Pending());
    }

    [Fact]
    public void A_software_disabled_apic_drops_fixed_interrupts_and_masks_its_lvt()
    {
        using var m = new ApicMachine(enabled: false);
        m.Write(0, ApicMachine.LvtTimer, 0x40);
        Assert.Equal(0x1_0040u, m.Read(0, ApicMachine.LvtTimer));
        m.Apic().Deliver(DeliveryMode.Fixed, 0x40, level: false);
        Assert.Equal(-1, m.Pending());
        m.Apic().Deliver(DeliveryMode.Nmi, 0, level: false);
        Assert.True(m.Apic().HasWork);
        Assert.True(m.Apic().TakeNmi());
        Assert.False(m.Apic().HasWork);
    }

    [Fact]
    public void The_pic_reaches_the_processor_through_lint0_only_as_extint()
    {
        using var m = new ApicMachine();
        m.Machine.Interrupts.SetExternalInterrupt(true);
        Assert.False(m.Apic().TryGetInterrupt(true, out _, out _));
        m.Write(0, ApicMachine.Lint0, 0x700);
        Assert.True(m.Apic().TryGetInterrupt(true, out bool ext, out _));
        Assert.True(ext);
        Assert.False(m.Apic().TryGetInterrupt(false, out _, out _));
        m.Machine.Interrupts.SetExternalInterrupt(false);
        Assert.False(m.Apic().TryGetInterrupt(true, out _, out _));
    }

    [Fact]
    public void The_pic_reaches_the_processor_when_the_apic_is_disabled()
    {
        using var m = new ApicMachine();
        m.Machine.Interrupts.SetExternalInterrupt(true);
        Assert.True(m.WriteMsr(0, 0x1b, 0xfee0_0100));
        Assert.True(m.Apic().TryGetInterrupt(true, out bool ext, out _) && ext);
    }

    [Fact]
    public void Illegal_vectors_are_errors_that_a_write_to_esr_shows()
    {
        using var m = new ApicMachine();
        m.Write(0, ApicMachine.LvtError, 0x99);
        m.Write(0, ApicMachine.IcrLow, 0x4_000f);
        Assert.Equal(0x99, m.Pending());
        Assert.Equal(0u, m.Read(0, ApicMachine.Esr));
        m.Write(0, ApicMachine.Esr, 0);
        Assert.Equal(1u << 5, m.Read(0, ApicMachine.Esr));
        m.Machine.Interrupts.SignalMsi(new MsiMessage(0xfee0_0000, 3));
        m.Write(0, ApicMachine.Esr, 0);
        Assert.Equal(1u << 6, m.Read(0, ApicMachine.Esr));
    }

    [Fact]
    public void Init_resets_the_apic_and_waits_for_a_start_up()
    {
        using var m = new ApicMachine(2);
        m.Apic(1).RestoreEvents(waitingForSipi: false, nmiPending: false);
        m.Write(1, ApicMachine.Tpr, 0x20);
        // A start-up that nobody waits for is dropped.
        m.Apic(1).Deliver(DeliveryMode.StartUp, 0x77, level: false);
        Assert.False(m.Apic(1).HasWork);
        m.Write(0, ApicMachine.IcrHigh, 0x0100_0000);
        m.Write(0, ApicMachine.IcrLow, 0x4500);
        Assert.True(m.Apic(1).TakeInit());
        Assert.False(m.Apic(1).HasWork);
        Assert.True(m.Apic(1).WaitingForSipi);
        Assert.Equal(0u, m.Read(1, ApicMachine.Tpr));
        Assert.Equal(-1, m.Apic(1).TakeSipi());
        m.Write(0, ApicMachine.IcrLow, 0x4608);
        Assert.True(m.Apic(1).HasWork);
        Assert.Equal(8, m.Apic(1).TakeSipi());
        Assert.False(m.Apic(1).WaitingForSipi);
        m.Write(0, ApicMachine.IcrLow, 0x4609);
        Assert.Equal(-1, m.Apic(1).TakeSipi());
    }

    [Fact]
    public void A_start_up_that_follows_an_init_before_it_is_taken_is_kept()
    {
        using var m = new ApicMachine(2);
        m.Apic(1).RestoreEvents(waitingForSipi: false, nmiPending: false);
        m.Apic(1).Deliver(DeliveryMode.Init, 0, level: false);
        m.Apic(1).Deliver(DeliveryMode.StartUp, 0x12, level: false);
        Assert.Equal(-1, m.Apic(1).TakeSipi());
        Assert.True(m.Apic(1).TakeInit());
        Assert.Equal(0x12, m.Apic(1).TakeSipi());
    }

    [Fact]
    public unsafe void One_nmi_waits_behind_another_and_no_more()
    {
        using var m = new ApicMachine();
        for (int i = 0; i < 5; i++) m.Apic().Deliver(DeliveryMode.Nmi, 0, level: false);
        Assert.True(m.Apic().TakeNmi());
        m.Vcpu().Context->NmiBlocked = 1;
        Assert.False(m.Apic().HasWork);
        m.Apic().Deliver(DeliveryMode.Nmi, 0, level: false);
        Assert.True(m.Apic().TakeNmi());
        Assert.False(m.Apic().TakeNmi());
    }

    [Fact]
    public void Registers_survive_saving_and_restoring()
    {
        using var m = new ApicMachine();
        m.Write(0, ApicMachine.Tpr, 0x31);
        m.Write(0, ApicMachine.Ldr, 0x0200_0000);
        m.Write(0, ApicMachine.LvtTimer, 0x2_00ef);
        m.Apic().Deliver(DeliveryMode.Fixed, 0x91, level: true);
        m.Apic().Acknowledge(0x91);
        m.Apic().Deliver(DeliveryMode.Fixed, 0xa2, level: false);
        var page = new byte[1024];
        m.Apic().Save(page);
        using var other = new ApicMachine(enabled: false);
        other.Apic().Restore(page);
        var again = new byte[1024];
        other.Apic().Save(again);
        Assert.Equal(page, again);
        Assert.Equal(0x90u, other.Read(0, ApicMachine.Ppr));
        Assert.Equal(0xa2, other.Pending());
    }
}
