using System;
using Hutch.Devices.Chipset;
using Xunit;

namespace Hutch.Tests.Devices.Chipset;

/// <summary>The timer's three counters and port 61h (Intel 8254 data sheet 231164, by its headings).</summary>
public sealed class PitTests : IDisposable
{
    private const int Control = 3, PortB = 4;

    private static readonly ClockRate Rate = new(1_193_182);

    private readonly FakeTime _time = new();
    private readonly RecordingWire _wire = new();
    private readonly Pit _pit;
    private long _tick;

    public PitTests()
    {
        _pit = new Pit(_time, _wire.Line);
        _tick = Rate.TicksAt(_time.MonotonicNanoseconds);
    }

    public void Dispose() => _pit.Dispose();

    // 8254, "Mode 0: Interrupt on Terminal Count".
    [Fact]
    public void Mode_0_raises_the_output_one_tick_after_the_count()
    {
        Program(0, mode: 0, 100);
        Assert.False(_wire.Level);
        Tick(100);
        Assert.False(_wire.Level);
        Tick(1);

        Assert.True(_wire.Level);
        Tick(100_000);
        Assert.Equal(1, _wire.Rises);
    }

    // 8254, "Mode 0": the counter wraps and goes on.
    [Fact]
    public void Mode_0_counts_on_after_the_end()
    {
        Program(0, mode: 0, 100);
        Tick(1 + 100 + 1);

        Assert.Equal(0xffff, ReadLatched(0));
    }

    // 8254, "Mode 0": the first byte stops the count.
    [Fact]
    public void Mode_0_stops_between_the_two_bytes_of_a_new_count()
    {
        Program(0, mode: 0, 100);
        Tick(50);
        _pit.WriteRegister(0, 100);
        Tick(1000);
        Assert.False(_wire.Level);
        _pit.WriteRegister(0, 0);
        Tick(101);

        Assert.True(_wire.Level);
    }

    // 8254, "Mode 2: Rate Generator".
    [Fact]
    public void Mode_2_interrupts_once_in_each_period()
    {
        Program(0, mode: 2, 1000);
        int rises = _wire.Rises;
        Tick(1 + 5000);

        Assert.Equal(rises + 5, _wire.Rises);
    }

    // 8254, "Mode 2".
    [Fact]
    public void Mode_2_counts_from_n_down_to_1()
    {
        Program(2, mode: 2, 10);
        _pit.WriteRegister(PortB, 1);
        Tick(1);
        for (int expected = 10; expected >= 1; expected--, Tick(1))
        {
            Assert.Equal(expected, ReadLatched(2));
            Assert.Equal(expected != 1, Output2);
        }
        Assert.Equal(10, ReadLatched(2));
    }

    // 8254, "Mode 2": a new count does not affect the current cycle.
    [Fact]
    public void Mode_2_takes_a_new_count_at_the_end_of_the_period()
    {
        Program(0, mode: 2, 1000);
        Tick(1 + 500);
        int rises = _wire.Rises;
        _pit.WriteRegister(0, 100);
        _pit.WriteRegister(0, 0);
        Tick(499);
        Assert.Equal(rises, _wire.Rises);
        Tick(1);
        Assert.Equal(rises + 1, _wire.Rises);
        Tick(1000);

        Assert.Equal(rises + 11, _wire.Rises);
    }

    // 8254, "Mode 3: Square Wave Mode", even and odd counts.
    [Theory]
    [InlineData(10, new[] { 10, 8, 6, 4, 2, 10, 8, 6, 4, 2 })]
    [InlineData(7, new[] { 7, 6, 4, 2, 7, 4, 2 })]
    public void Mode_3_counts_by_two_through_a_high_and_a_low_half(int count, int[] expected)
    {
        Program(2, mode: 3, count);
        _pit.WriteRegister(PortB, 1);
        Tick(1);
        for (int i = 0; i < expected.Length; i++, Tick(1))
        {
            Assert.Equal(expected[i], ReadLatched(2));
            Assert.Equal(i < (count + 1) / 2, Output2);
        }
        Assert.True(Output2);
    }

    // 8254, "Mode 1: Hardware Retriggerable One-Shot".
    [Fact]
    public void Mode_1_is_a_one_shot_that_the_gate_starts()
    {
        Program(2, mode: 1, 10);
        Tick(100);
        Assert.True(Output2);
        _pit.WriteRegister(PortB, 1);
        Tick(1);
        Assert.False(Output2);
        Tick(9);
        Assert.False(Output2);
        Tick(1);

        Assert.True(Output2);
    }

    // 8254, "Mode 4: Software Triggered Strobe" and "Mode 5: Hardware Triggered Strobe".
    [Theory]
    [InlineData(4, true)]
    [InlineData(5, false)]
    public void Modes_4_and_5_strobe_low_for_one_tick(int mode, bool gateFirst)
    {
        if (gateFirst) _pit.WriteRegister(PortB, 1);
        Program(2, mode, 10);
        if (!gateFirst) _pit.WriteRegister(PortB, 1);
        Tick(10);
        Assert.True(Output2);
        Tick(1);
        Assert.False(Output2);
        Tick(1);

        Assert.True(Output2);
    }

    // 8254, "Mode 0": the gate enables counting.
    [Fact]
    public void Gate_low_holds_mode_0_and_high_lets_it_go_on()
    {
        _pit.WriteRegister(PortB, 1);
        Program(2, mode: 0, 100);
        Tick(1 + 40);
        _pit.WriteRegister(PortB, 0);
        Tick(1000);
        Assert.Equal(60, ReadLatched(2));
        _pit.WriteRegister(PortB, 1);
        Tick(59);
        Assert.False(Output2);
        Tick(1);

        Assert.True(Output2);
    }

    // 8254, "Mode 3": the gate.
    [Fact]
    public void Gate_low_sets_the_square_wave_high_and_high_starts_it_over()
    {
        _pit.WriteRegister(PortB, 1);
        Program(2, mode: 3, 10);
        Tick(1 + 6);
        Assert.False(Output2);
        _pit.WriteRegister(PortB, 0);
        Assert.True(Output2);
        Tick(7);
        _pit.WriteRegister(PortB, 1);
        Tick(1);

        Assert.Equal(10, ReadLatched(2));
    }

    // 8254, "Counter Latch Command".
    [Fact]
    public void Latched_count_stays_until_it_is_read()
    {
        Program(0, mode: 2, 0x1234);
        Tick(1 + 0x34);
        _pit.WriteRegister(Control, 0x00);
        Tick(5);
        _pit.WriteRegister(Control, 0x00);

        Assert.Equal(0x00, _pit.ReadRegister(0));
        Assert.Equal(0x12, _pit.ReadRegister(0));
        Assert.Equal(0x11fb, ReadLatched(0));
    }

    // 8254, "Read-Back Command".
    [Fact]
    public void Read_back_gives_status_before_count()
    {
        Program(0, mode: 2, 0x1234);
        _pit.WriteRegister(Control, 0xc2);
        Assert.Equal(0x80 | 0x40 | 0x34, _pit.ReadRegister(0));
        Assert.Equal(0x34, _pit.ReadRegister(0));
        Assert.Equal(0x12, _pit.ReadRegister(0));
        Tick(1);
        _pit.WriteRegister(Control, 0xe2);

        Assert.Equal(0x80 | 0x34, _pit.ReadRegister(0));
    }

    // 8254, "Control Word Format": BCD.
    [Fact]
    public void Decimal_mode_counts_in_decimal()
    {
        _pit.WriteRegister(Control, 0x31);
        _pit.WriteRegister(0, 0x00);
        _pit.WriteRegister(0, 0x10);
        Tick(1 + 1);

        Assert.Equal(0x0999, ReadLatched(0));
    }

    // 8254, "Operation Common to All Modes": 0 is 2^16, or 10^4 in BCD.
    [Fact]
    public void Count_of_zero_is_the_largest()
    {
        Program(0, mode: 0, 0);
        Tick(65_536);
        Assert.False(_wire.Level);
        Tick(1);

        Assert.True(_wire.Level);
    }

    // 8254, "Control Word Format": RW1 and RW0.
    [Fact]
    public void Single_byte_access_sets_and_reads_that_byte()
    {
        _pit.WriteRegister(Control, 0x14);
        _pit.WriteRegister(0, 0x40);
        Tick(1);

        Assert.Equal(0x40, _pit.ReadRegister(0));
        Assert.Equal(0x40, _pit.ReadRegister(0));
    }

    // Intel ICH9 data sheet §13.7.1, bit 4.
    [Fact]
    public void Refresh_bit_of_port_61_toggles()
    {
        byte before = _pit.ReadRegister(PortB);
        _time.Advance(15_085);

        Assert.Equal(0x10, (before ^ _pit.ReadRegister(PortB)) & 0x10);
    }

    [Fact]
    public void Edge_is_not_lost_when_the_guest_writes_before_the_timer_runs()
    {
        Program(0, mode: 2, 1000);
        int rises = _wire.Rises;
        _time.AdvanceWithoutTimers(Rate.NanosecondsAt(_tick + 1500) - _time.MonotonicNanoseconds);
        _pit.WriteRegister(PortB, 0);

        Assert.Equal(rises + 1, _wire.Rises);
    }

    [Fact]
    public void Random_accesses_do_no_harm()
    {
        int step = 0;
        RandomAccesses.Run(_pit, 5, seed: 4, () => _time.Advance(step++ % 977 * 500));
    }

    private bool Output2 => (_pit.ReadRegister(PortB) & 0x20) != 0;

    private void Program(int counter, int mode, int count)
    {
        _pit.WriteRegister(Control, (byte)(counter << 6 | 0x30 | mode << 1));
        _pit.WriteRegister(counter, (byte)count);
        _pit.WriteRegister(counter, (byte)(count >> 8));
    }

    private int ReadLatched(int counter)
    {
        _pit.WriteRegister(Control, (byte)(counter << 6));
        return _pit.ReadRegister(counter) | _pit.ReadRegister(counter) << 8;
    }

    private void Tick(long ticks)
    {
        _tick += ticks;
        _time.AdvanceTo(Rate.NanosecondsAt(_tick));
    }
}
