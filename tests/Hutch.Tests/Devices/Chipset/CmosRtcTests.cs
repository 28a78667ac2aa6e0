using System;
using Hutch.Devices.Chipset;
using Xunit;

namespace Hutch.Tests.Devices.Chipset;

/// <summary>Clock, alarm, interrupts and memory of the PC (Motorola MC146818A data sheet, by its headings).</summary>
public sealed class CmosRtcTests : IDisposable
{
    private readonly FakeTime _time = new();
    private readonly RecordingWire _wire = new();
    private readonly CmosRtc _rtc;

    public CmosRtcTests() => _rtc = new CmosRtc(_time, _wire.Line, 0xB000_0000, 0x1_4000_0000);

    public void Dispose() => _rtc.Dispose();

    // MC146818A, "Time, Calendar, and Alarm Locations": two decimal digits in each.
    [Fact]
    public void Shows_the_host_s_time_in_decimal_digits()
    {
        Assert.Equal([0x58, 0x59, 0x23, 0x04, 0x28, 0x02, 0x24, 0x20], ReadTime());
    }

    // MC146818A, table 3: seconds, minutes, hours, day of the week, date, month, year.
    [Fact]
    public void Rolls_over_into_the_leap_day()
    {
        _time.Advance(TimeSpan.FromSeconds(3));

        Assert.Equal([0x01, 0x00, 0x00, 0x05, 0x29, 0x02, 0x24, 0x20], ReadTime());
    }

    // MC146818A, register B: DM (binary) and 24/12, of which PM is the top bit of the hours.
    [Theory]
    [InlineData(0x06, 23, 58)]
    [InlineData(0x04, 0x80 | 11, 58)]
    [InlineData(0x00, 0x91, 0x58)]
    public void Hour_follows_the_data_mode(byte registerB, int hour, int second)
    {
        Write(0x0b, registerB);

        Assert.Equal(hour, Read(4));
        Assert.Equal(second, Read(0));
    }

    // MC146818A, register A, UIP, and "Update Cycle".
    [Fact]
    public void Update_in_progress_is_set_just_before_the_second_ends()
    {
        Assert.Equal(0x26, Read(0x0a));
        _time.Advance(999_800_000);
        Assert.Equal(0xa6, Read(0x0a));
        _time.Advance(200_000);

        Assert.Equal(0x26, Read(0x0a));
    }

    // MC146818A, register B, SET: no update while it is set.
    [Fact]
    public void Written_time_runs_on_from_there()
    {
        Write(0x0b, 0x82);
        Write(0, 0x30);
        Write(2, 0x15);
        Write(4, 0x12);
        Write(7, 0x31);
        Write(8, 0x12);
        Write(9, 0x99);
        Write(0x32, 0x19);
        _time.Advance(TimeSpan.FromSeconds(10));
        Assert.Equal(0x30, Read(0));
        Write(0x0b, 0x02);
        _time.Advance(TimeSpan.FromHours(12));

        Assert.Equal([0x30, 0x15, 0x00, 0x01, 0x00, 0x20], [Read(0), Read(2), Read(4), Read(7), Read(9), Read(0x32)]);
    }

    [Theory]
    [InlineData(0x00, 0x00)]
    [InlineData(0x99, 0x99)]
    public void Time_at_either_end_of_the_calendar_runs_on(byte century, byte year)
    {
        Write(0x32, century);
        Write(9, year);
        _time.Advance(TimeSpan.FromDays(3 * 366));

        Assert.InRange(Read(0), 0x00, 0x59);
    }

    // MC146818A, register A, DV2 to DV0, and "Divider Stages".
    [Fact]
    public void First_update_comes_half_a_second_after_the_divider_s_reset()
    {
        Write(0x0b, 0x82);
        Write(0x0a, 0x76);
        Write(0, 0x10);
        Write(0x0b, 0x02);
        Write(0x0a, 0x26);
        _time.Advance(499_000_000);
        Assert.Equal(0x10, Read(0));
        _time.Advance(1_000_000);

        Assert.Equal(0x11, Read(0));
    }

    // MC146818A, register B, UIE; register C, UF and IRQF, which a read clears.
    [Fact]
    public void Update_interrupt_comes_each_second_and_is_ended_by_reading_c()
    {
        Write(0x0b, 0x12);
        _rtc.Start();
        _time.Advance(1_000_000_000);
        Assert.True(_wire.Level);
        Assert.Equal(0x90, Read(0x0c) & 0xb0);
        Assert.False(_wire.Level);
        _time.Advance(1_000_000_000);

        Assert.Equal(2, _wire.Rises);
    }

    // MC146818A, register B, AIE; register C, AF.
    [Fact]
    public void Alarm_interrupts_at_its_time_only()
    {
        Write(1, 0x05);
        Write(3, 0x00);
        Write(5, 0x00);
        Write(0x0b, 0x22);
        _time.Advance(6_999_000_000);
        Assert.False(_wire.Level);
        _time.Advance(1_000_000);

        Assert.True(_wire.Level);
        Assert.Equal(0xb0, Read(0x0c) & 0xb0);
    }

    // MC146818A, "Alarm": a byte of C0h and more matches everything.
    [Fact]
    public void Alarm_with_wildcards_comes_each_minute()
    {
        Write(1, 0x00);
        Write(3, 0xff);
        Write(5, 0xc0);
        Write(0x0b, 0x22);
        for (int minute = 0; minute < 3; minute++)
        {
            _time.Advance(TimeSpan.FromMinutes(1));
            _ = Read(0x0c);
        }

        Assert.Equal(3, _wire.Rises);
    }

    // MC146818A, register A, RS3 to RS0 (table 5); register B, PIE.
    [Fact]
    public void Periodic_interrupt_runs_at_the_selected_rate()
    {
        Write(0x0a, 0x26);
        Write(0x0b, 0x42);
        for (int i = 0; i < 2000; i++)
        {
            _time.Advance(500_000);
            if (_wire.Level) _ = Read(0x0c);
        }

        Assert.InRange(_wire.Rises, 1000, 1025);
    }

    // MC146818A, register C: flags do not need their enable bits, IRQF does.
    [Fact]
    public void Flags_are_set_for_a_polling_guest_without_interrupts()
    {
        _ = Read(0x0c);
        _time.Advance(1_000_000_000);

        Assert.Equal(0x50, Read(0x0c));
        Assert.Equal(0x00, Read(0x0c));
        Assert.Equal(0, _wire.Rises);
    }

    [Fact]
    public void Memory_sizes_are_told_the_pc_s_way()
    {
        Assert.Equal(640, Read(0x15) | Read(0x16) << 8);
        Assert.Equal(0xffff, Read(0x17) | Read(0x18) << 8);
        Assert.Equal(0xffff, Read(0x30) | Read(0x31) << 8);
        Assert.Equal(0xaf00, Read(0x34) | Read(0x35) << 8);
        Assert.Equal(0x1_4000, Read(0x5b) | Read(0x5c) << 8 | Read(0x5d) << 16);
    }

    // MC146818A, register D: VRT, and nothing else.
    [Fact]
    public void Other_registers_are_memory_and_d_says_it_is_valid()
    {
        Write(0x70, 0xa5);
        Write(0x0d, 0x00);

        Assert.Equal(0xa5, Read(0x70));
        Assert.Equal(0x80, Read(0x0d));
    }

    // MC146818A, register A: UIP is read-only; register B: SET clears UIE; registers C and D: read-only.
    [Fact]
    public void Registers_a_to_d_keep_what_can_be_written()
    {
        Write(0x0a, 0xa6);
        Assert.Equal(0x26, Read(0x0a));
        Write(0x0b, 0x92);
        Assert.Equal(0x82, Read(0x0b));
        Write(0x0b, 0x02);
        _ = Read(0x0c);
        Write(0x0c, 0xff);
        Write(0x0d, 0x7f);
        Assert.Equal((0x00, 0x80), (Read(0x0c), Read(0x0d)));
    }

    [Fact]
    public void Random_accesses_do_no_harm()
    {
        int step = 0;
        RandomAccesses.Run(_rtc, 2, seed: 5, () => _time.Advance(step++ % 1009 * 300_000L));
    }

    private byte[] ReadTime() => [Read(0), Read(2), Read(4), Read(6), Read(7), Read(8), Read(9), Read(0x32)];

    private byte Read(byte index)
    {
        _rtc.WriteRegister(0, index);
        return _rtc.ReadRegister(1);
    }

    private void Write(byte index, byte value)
    {
        _rtc.WriteRegister(0, index);
        _rtc.WriteRegister(1, value);
    }
}
