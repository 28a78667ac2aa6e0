using System;
using System.Linq;
using Hutch.Core.State;
using Hutch.Devices.Chipset;
using Xunit;

namespace Hutch.Tests.Devices.Chipset;

/// <summary>Event timers (IA-PC HPET specification 1.0a), at the chipset's interrupt controllers.</summary>
public sealed class HpetTests : IDisposable
{
    private const ulong Base = 0xfed0_0000, Capabilities = 0x000, Configuration = 0x010, Status = 0x020, Counter = 0x0f0;
    private const ulong Enable = 1, Replace = 2;
    private const ulong Level = 1 << 1, Interrupts = 1 << 2, Periodic = 1 << 3, SetValue = 1 << 6, Short = 1 << 8;
    private const int TimerPin = 2, RtcPin = 8, TickNanoseconds = 10;

    private readonly FakeMachine _machine = new(hpet: true);

    public HpetTests() => _machine.Device.Start();

    public void Dispose() => _machine.Dispose();

    private ulong this[ulong register]
    {
        get
        {
            byte[] data = new byte[8];
            _machine.Services.Mmio.Read(Base + register, data);
            return BitConverter.ToUInt64(data);
        }
        set => _machine.Services.Mmio.Write(Base + register, BitConverter.GetBytes(value));
    }

    private static ulong Timer(int number) => 0x100 + (ulong)(0x20 * number);

    private static ulong Comparator(int number) => Timer(number) + 8;

    private static ulong RouteTo(int pin) => (ulong)pin << 9;

    private void Tick(long ticks) => _machine.Time.Advance(ticks * TickNanoseconds);

    private void WriteHalf(ulong register, uint value) => _machine.Services.Mmio.Write(Base + register, BitConverter.GetBytes(value));

    // Unmasks a pin of the IOAPIC, with the vector 0x40 + pin.
    private void Unmask(int pin, bool level = false)
    {
        _machine.Services.Mmio.Write(Ioapic.BaseAddress, BitConverter.GetBytes(0x10 + (2 * pin)));
        _machine.Services.Mmio.Write(Ioapic.BaseAddress + 0x10, BitConverter.GetBytes(0x40 + pin + (level ? 0x8000 : 0)));
    }

    private int Sent(int pin) => _machine.Router.Messages.Count(message => (message.Data & 0xff) == 0x40 + pin);

    [Fact]
    public void Capabilities_tell_of_three_timers_of_64_bits_legacy_replacement_and_10_ns()
    {
        // §2.3.4: revision 1, the number of the last timer, 64 bits, legacy routes; Intel; femtoseconds.
        Assert.Equal(0x0098_9680_8086_a201UL, this[Capabilities]);
        this[Capabilities] = 0;
        Assert.Equal(0x0098_9680_8086_a201UL, this[Capabilities]);
    }

    [Fact]
    public void After_a_reset_the_counter_stands_at_zero_and_comparators_are_all_ones()
    {
        Tick(1000);
        Assert.Equal(0UL, this[Counter]);
        Assert.Equal(0UL, this[Configuration]);
        for (int i = 0; i < 3; i++)
        {
            // §2.3.8: routes 20 to 23, periodic, 64 bits, no interrupts by messages.
            Assert.Equal(0x00f0_0000_0000_0030UL, this[Timer(i)]);
            Assert.Equal(ulong.MaxValue, this[Comparator(i)]);
        }
        Assert.Equal(0UL, this[Timer(3)]);
    }

    // §2.3.5 and §2.3.7.
    [Fact]
    public void The_counter_goes_while_it_is_enabled_and_is_written_while_it_stands()
    {
        this[Counter] = 0xffff_ffff_0000_0000;
        this[Configuration] = Enable;
        Tick(1000);
        Assert.Equal(0xffff_ffff_0000_0000 + 1000, this[Counter]);
        this[Counter] = 5;
        Assert.Equal(0xffff_ffff_0000_0000 + 1000, this[Counter]);
        this[Configuration] = 0;
        Tick(1000);
        Assert.Equal(0xffff_ffff_0000_0000 + 1000, this[Counter]);
        WriteHalf(Counter + 4, 7);
        Assert.Equal(0x7_0000_03e8UL, this[Counter]);
    }

    // §2.3: registers are accessed as a whole or by halves.
    [Theory]
    [InlineData(0x0f0, 1)]
    [InlineData(0x0f0, 2)]
    [InlineData(0x0f4, 8)]
    [InlineData(0x0f2, 4)]
    public void Other_accesses_are_refused(ulong register, int width)
    {
        byte[] data = new byte[width];
        _machine.Services.Mmio.Read(Base + register, data);
        Assert.All(data, static value => Assert.Equal(0xff, value));
        _machine.Services.Mmio.Write(Base + register, new byte[width]);
        Assert.Equal(0UL, this[Counter]);
    }

    // §2.3.9.
    [Fact]
    public void A_timer_that_is_not_periodic_interrupts_once_at_its_match()
    {
        Unmask(20);
        this[Timer(2)] = Interrupts | RouteTo(20);
        this[Comparator(2)] = 500;
        this[Configuration] = Enable;
        Tick(499);
        Assert.Equal(0, Sent(20));
        Tick(1);
        Assert.Equal(1, Sent(20));
        Tick(1_000_000);
        Assert.Equal(1, Sent(20));
        Assert.Equal(500UL, this[Comparator(2)]);
        Assert.Equal(0UL, this[Status]); // §2.3.6: an edge has no status.
    }

    [Fact]
    public void A_match_that_has_been_does_not_come_again()
    {
        Unmask(20);
        this[Timer(0)] = Interrupts | RouteTo(20);
        this[Configuration] = Enable;
        Tick(1000);
        this[Comparator(0)] = 900;
        Tick(1_000_000);
        Assert.Equal(0, Sent(20));
    }

    // §2.3.8, Tn_32MODE_CNF: the lower half is compared, so that each wrap is a match.
    [Fact]
    public void A_timer_of_32_bits_interrupts_each_time_the_lower_half_wraps()
    {
        Unmask(21);
        this[Comparator(1)] = 0xaaaa_bbbb_0000_0100;
        this[Timer(1)] = Interrupts | Short | RouteTo(21);
        Assert.Equal(0x100UL, this[Comparator(1)]);
        this[Configuration] = Enable;
        Tick(0x100);
        Assert.Equal(1, Sent(21));
        Tick(1L << 32);
        Assert.Equal(2, Sent(21));
        Assert.Equal(0x1_0000_0100UL, this[Counter]);
    }

    // §2.3.8, Tn_VAL_SET_CNF: as Linux programs it, the first match and then the period.
    [Theory]
    [InlineData(0ul)]
    [InlineData(Short)]
    public void A_periodic_timer_begins_at_its_first_match_and_goes_on_by_its_period(ulong width)
    {
        Unmask(22);
        this[Configuration] = Enable;
        Tick(10_000);
        this[Timer(0)] = Interrupts | Periodic | SetValue | width | RouteTo(22);
        this[Comparator(0)] = 60_000;
        this[Comparator(0)] = 100_000;
        Assert.Equal(60_000UL, this[Comparator(0)]);
        Tick(49_999);
        Assert.Equal(0, Sent(22));
        Tick(1);
        Assert.Equal(1, Sent(22));
        Assert.Equal(160_000UL, this[Comparator(0)]);
        Tick(1_000_000);
        Assert.Equal(11, Sent(22));
    }

    // §2.3.9: a guest of 32 bits sets the bit before each half.
    [Fact]
    public void A_periodic_timer_is_set_by_halves()
    {
        Unmask(22);
        foreach ((ulong offset, uint value) in new (ulong, uint)[] { (0, 60_000), (4, 0) })
        {
            this[Timer(0)] = Interrupts | Periodic | SetValue | RouteTo(22);
            WriteHalf(Comparator(0) + offset, value);
        }
        WriteHalf(Comparator(0), 100_000);
        Assert.Equal(60_000UL, this[Comparator(0)]);
        this[Configuration] = Enable;
        Tick(260_000);
        Assert.Equal(3, Sent(22));
    }

    [Fact]
    public void One_write_sets_the_first_match_and_the_period()
    {
        Unmask(22);
        this[Timer(1)] = Interrupts | Periodic | SetValue | RouteTo(22);
        this[Comparator(1)] = 5000;
        this[Configuration] = Enable;
        Tick(50_000);
        Assert.Equal(10, Sent(22));
        // The bit holds for one write: this is the next period, and the next match stays.
        this[Comparator(1)] = 20_000;
        Assert.Equal(55_000UL, this[Comparator(1)]);
        Tick(5000);
        Assert.Equal(75_000UL, this[Comparator(1)]);
    }

    [Fact]
    public void Matches_that_were_passed_together_are_one_interrupt()
    {
        Unmask(22);
        this[Timer(1)] = Interrupts | Periodic | SetValue | RouteTo(22);
        this[Comparator(1)] = 5000;
        this[Configuration] = Enable;
        _machine.Time.AdvanceWithoutTimers(52_000 * TickNanoseconds);
        Assert.Equal(55_000UL, this[Comparator(1)]);
        Assert.Equal(1, Sent(22));
    }

    // A guest cannot make the host's timer thread do nothing else.
    [Fact]
    public void Periods_that_are_too_short_are_interrupted_at_the_shortest_one()
    {
        Unmask(22);
        this[Timer(1)] = Interrupts | Periodic | SetValue | RouteTo(22);
        this[Comparator(1)] = 1;
        this[Configuration] = Enable;
        Tick(100 * Hpet.MinimumTicks);
        Assert.InRange(Sent(22), 99, 101);
    }

    [Fact]
    public void A_period_of_zero_is_one_match()
    {
        Unmask(22);
        this[Comparator(1)] = 5000;
        this[Timer(1)] = Interrupts | Periodic | RouteTo(22);
        this[Configuration] = Enable;
        Tick(1_000_000);
        Assert.Equal(1, Sent(22));
    }

    // §2.3.6: the bit is set whether the interrupt is enabled or not, and a 1 clears it.
    [Fact]
    public void A_level_triggered_interrupt_stays_until_its_status_is_cleared()
    {
        Unmask(23, level: true);
        this[Timer(2)] = Interrupts | Level | RouteTo(23);
        this[Comparator(2)] = 100;
        this[Timer(1)] = Level;
        this[Comparator(1)] = 100;
        this[Configuration] = Enable;
        Tick(100);
        Assert.Equal(0b110UL, this[Status]);
        Assert.Equal(1, Sent(23));
        _machine.Services.Controllers!.EndOfInterrupt(0x40 + 23);
        Assert.Equal(2, Sent(23)); // still asserted
        this[Status] = 0b011;
        Assert.Equal(0b100UL, this[Status]);
        this[Status] = 0b100;
        Assert.Equal(0UL, this[Status]);
        _machine.Services.Controllers!.EndOfInterrupt(0x40 + 23);
        Assert.Equal(2, Sent(23));
    }

    // §2.3.5: ENABLE_CNF off halts the counter and every interrupt.
    [Fact]
    public void Disabling_takes_a_level_triggered_interrupt_back_and_enabling_shows_it_again()
    {
        Unmask(23, level: true);
        this[Timer(2)] = Interrupts | Level | RouteTo(23);
        this[Comparator(2)] = 100;
        this[Configuration] = Enable;
        Tick(100);
        this[Configuration] = 0;
        _machine.Services.Controllers!.EndOfInterrupt(0x40 + 23);
        Assert.Equal(1, Sent(23));
        this[Configuration] = Enable;
        Assert.Equal(2, Sent(23));
    }

    // §2.3.8, Tn_INT_ROUTE_CNF: what is not supported does not read back.
    [Fact]
    public void A_route_that_there_is_not_is_not_taken()
    {
        this[Timer(0)] = RouteTo(21);
        this[Timer(0)] = RouteTo(5);
        Assert.Equal(RouteTo(21), this[Timer(0)] & (0x1f << 9));
    }

    // §2.3.5, LEG_RT_CNF: timer 0 has the PIT's interrupt and timer 1 the RTC's; theirs are cut off.
    [Fact]
    public void Legacy_replacement_gives_timers_0_and_1_the_interrupts_of_pit_and_rtc()
    {
        Unmask(TimerPin);
        Unmask(RtcPin);
        Unmask(21);
        StartPit();
        int before = Sent(TimerPin);
        _machine.Time.Advance(TimeSpan.FromMilliseconds(100));
        Assert.InRange(Sent(TimerPin) - before, 99, 101);

        for (int i = 0; i < 3; i++)
        {
            this[Timer(i)] = Interrupts | Periodic | SetValue | RouteTo(21);
            this[Comparator(i)] = 1_000_000ul * (ulong)(i + 1);
        }
        before = Sent(TimerPin);
        this[Configuration] = Enable | Replace;
        _machine.Time.Advance(TimeSpan.FromMilliseconds(120));
        Assert.Equal(12, Sent(TimerPin) - before);
        Assert.Equal(6, Sent(RtcPin));
        Assert.Equal(4, Sent(21));

        this[Configuration] = 0;
        before = Sent(TimerPin);
        _machine.Time.Advance(TimeSpan.FromMilliseconds(100));
        Assert.InRange(Sent(TimerPin) - before, 99, 101);
    }

    [Fact]
    public void Legacy_replacement_reaches_the_interrupt_controller_of_old_too()
    {
        foreach ((ushort port, byte value) in new (ushort, byte)[] { (0x20, 0x11), (0x21, 0x30), (0x21, 4), (0x21, 1), (0x21, 0xfe) }) _machine.Out(port, value);
        this[Timer(0)] = Interrupts;
        this[Comparator(0)] = 100;
        this[Configuration] = Enable | Replace;
        Tick(100);
        Assert.Equal(0x30, _machine.Services.Controllers!.AcknowledgeExternalInterrupt());
    }

    [Fact]
    public void A_reset_gives_the_interrupts_back()
    {
        this[Configuration] = Enable | Replace;
        this[Timer(0)] = Interrupts | Periodic;
        _machine.Device.Stop();
        _machine.Device.Reset();
        _machine.Device.Start();
        Unmask(TimerPin);
        StartPit();
        _machine.Router.Messages.Clear();
        _machine.Time.Advance(TimeSpan.FromMilliseconds(100));
        Assert.InRange(Sent(TimerPin), 99, 101);
        Assert.Equal(0UL, this[Counter]);
        Assert.Equal(0x00f0_0000_0000_0030UL, this[Timer(0)]);
    }

    // The counter of a restored machine goes on from where it was, and its interrupts with it.
    [Fact]
    public void A_restored_machine_goes_on_where_it_was()
    {
        this[Timer(0)] = Interrupts | Periodic | SetValue;
        this[Comparator(0)] = 100_000;
        this[Configuration] = Enable | Replace;
        Unmask(TimerPin);
        Tick(250_000);
        _machine.Device.Stop();
        StateWriter writer = new("platform");
        _machine.Device.Exchange(writer);

        using FakeMachine other = new(hpet: true);
        other.Time.AdvanceTo(_machine.Time.MonotonicNanoseconds);
        other.Device.Exchange(new StateReader("platform", writer.Body.ToArray()));
        other.Device.Start();
        byte[] counter = new byte[8];
        other.Services.Mmio.Read(Base + Counter, counter);
        Assert.Equal(250_000UL, BitConverter.ToUInt64(counter));
        other.Router.Messages.Clear();
        other.Time.Advance(49_999 * TickNanoseconds);
        Assert.Empty(other.Router.Messages);
        other.Time.Advance(TickNanoseconds);
        Assert.Equal(0x40u + TimerPin, Assert.Single(other.Router.Messages).Data & 0xff);
    }

    [Fact]
    public void Random_accesses_do_no_harm()
    {
        Random random = new(20241128);
        byte[] data = new byte[8];
        for (int i = 0; i < 200_000; i++)
        {
            random.NextBytes(data);
            ulong register = (ulong)(random.Next(0x200) & ~3);
            if (random.Next(3) == 0) _machine.Services.Mmio.Read(Base + register, data.AsSpan(0, random.Next(2) == 0 ? 4 : 8));
            else _machine.Services.Mmio.Write(Base + register, data.AsSpan(0, random.Next(2) == 0 ? 4 : 8));
            if (i % 64 == 0) _machine.Time.Advance(random.Next(1_000_000));
            if (i % 1000 == 0) _machine.Device.Reset();
        }
        _machine.Device.Stop();
        _machine.Device.Reset();
        Assert.Equal(0UL, this[Counter]);
    }

    // Counter 0 in mode 2 with a millisecond.
    private void StartPit()
    {
        _machine.Out(0x43, 0x34);
        _machine.Out(0x40, 0xa9);
        _machine.Out(0x40, 0x04);
    }
}
