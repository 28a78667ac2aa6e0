using Hutch.Cpu.Msr;
using Xunit;

namespace Hutch.Cpu.Tests.Apic;

public sealed class ApicTimerTests
{
    private const uint Periodic = 1 << 17, Deadline = 2 << 17;

    [Fact]
    public void One_shot_counts_down_and_fires_once()
    {
        using var m = new ApicMachine();
        m.Write(0, ApicMachine.LvtTimer, 0x40);
        m.Write(0, ApicMachine.Divide, 3);
        m.Write(0, ApicMachine.InitialCount, 1000);
        m.Timers.Advance(4000);
        Assert.Equal(750u, m.Read(0, ApicMachine.CurrentCount));
        Assert.Equal(-1, m.Pending());
        m.Timers.Advance(12_000);
        Assert.Equal(0x40, m.Pending());
        Assert.Equal(0u, m.Read(0, ApicMachine.CurrentCount));
        Assert.Equal(0, m.Timers.Armed);
    }

    [Fact]
    public void Periodic_starts_again_by_itself()
    {
        using var m = new ApicMachine();
        m.Write(0, ApicMachine.LvtTimer, Periodic | 0x41);
        m.Write(0, ApicMachine.Divide, 0xb);
        m.Write(0, ApicMachine.InitialCount, 1_000_000);
        int fired = 0;
        for (int i = 0; i < 10; i++)
        {
            m.Timers.Advance(1_000_000);
            if (m.Pending() != 0x41) continue;
            fired++;
            m.Apic().Acknowledge(0x41);
            m.Write(0, ApicMachine.Eoi, 0);
        }
        Assert.Equal(10, fired);
        m.Timers.Advance(250_000);
        Assert.Equal(750_000u, m.Read(0, ApicMachine.CurrentCount));
        m.Write(0, ApicMachine.InitialCount, 0);
        Assert.Equal(0, m.Timers.Armed);
    }

    [Fact]
    public void A_masked_timer_counts_and_says_nothing()
    {
        using var m = new ApicMachine();
        m.Write(0, ApicMachine.LvtTimer, 0x1_0040);
        m.Write(0, ApicMachine.InitialCount, 100);
        Assert.NotEqual(0u, m.Read(0, ApicMachine.CurrentCount));
        m.Timers.Advance(1_000_000);
        Assert.Equal(-1, m.Pending());
    }

    [Fact]
    public void Changing_the_divider_keeps_the_count()
    {
        using var m = new ApicMachine();
        m.Write(0, ApicMachine.Divide, 0xb);
        m.Write(0, ApicMachine.InitialCount, 1000);
        m.Timers.Advance(400);
        m.Write(0, ApicMachine.Divide, 0xa);
        Assert.Equal(600u, m.Read(0, ApicMachine.CurrentCount));
        m.Timers.Advance(128);
        Assert.Equal(599u, m.Read(0, ApicMachine.CurrentCount));
    }

    [Fact]
    public void Tsc_deadline_fires_when_the_tsc_gets_there_and_disarms_itself()
    {
        using var m = new ApicMachine();
        m.Write(0, ApicMachine.LvtTimer, Deadline | 0x42);
        ulong now = m.Msr(0, MsrIndex.Tsc);
        m.WriteMsr(0, MsrIndex.TscDeadline, now + 2_600_000);
        Assert.Equal(now + 2_600_000, m.Msr(0, MsrIndex.TscDeadline));
        m.Timers.Advance(999_000);
        Assert.Equal(-1, m.Pending());
        m.Timers.Advance(2_000);
        Assert.Equal(0x42, m.Pending());
        Assert.Equal(0ul, m.Msr(0, MsrIndex.TscDeadline));
    }

    [Fact]
    public void A_deadline_in_the_past_fires_at_once_and_zero_disarms()
    {
        using var m = new ApicMachine();
        m.Write(0, ApicMachine.LvtTimer, Deadline | 0x42);
        m.WriteMsr(0, MsrIndex.TscDeadline, m.Msr(0, MsrIndex.Tsc) + 1_000_000);
        m.WriteMsr(0, MsrIndex.TscDeadline, 0);
        m.Timers.Advance(1_000_000);
        Assert.Equal(-1, m.Pending());
        m.WriteMsr(0, MsrIndex.TscDeadline, 1);
        Assert.Equal(0x42, m.Pending());
    }

    [Fact]
    public void The_deadline_register_is_dead_in_other_modes_and_counts_in_deadline_mode()
    {
        using var m = new ApicMachine();
        m.Write(0, ApicMachine.LvtTimer, 0x42);
        m.WriteMsr(0, MsrIndex.TscDeadline, 1);
        Assert.Equal(0ul, m.Msr(0, MsrIndex.TscDeadline));
        m.Write(0, ApicMachine.InitialCount, 500);
        m.Write(0, ApicMachine.LvtTimer, Deadline | 0x42);
        Assert.Equal(0u, m.Read(0, ApicMachine.InitialCount));
        m.Write(0, ApicMachine.InitialCount, 500);
        Assert.Equal(0u, m.Read(0, ApicMachine.InitialCount));
        m.Timers.Advance(1_000_000);
        Assert.Equal(-1, m.Pending());
    }

    [Fact]
    public void Moving_the_tsc_moves_the_deadline()
    {
        using var m = new ApicMachine();
        m.Write(0, ApicMachine.LvtTimer, Deadline | 0x42);
        ulong now = m.Msr(0, MsrIndex.Tsc);
        m.WriteMsr(0, MsrIndex.TscDeadline, now + 26_000_000);
        m.WriteMsr(0, MsrIndex.TscAdjust, 27_000_000);
        Assert.Equal(0x42, m.Pending());
        Assert.Equal(now + 27_000_000, m.Msr(0, MsrIndex.Tsc));
    }
}
