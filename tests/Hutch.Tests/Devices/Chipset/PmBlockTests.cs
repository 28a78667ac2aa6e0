using System;
using System.Buffers.Binary;
using Hutch.Devices.Chipset;
using Xunit;

namespace Hutch.Tests.Devices.Chipset;

/// <summary>PM1 event and control registers, the timer and general-purpose events (ACPI 6.5 §4.8.3, §4.8.4).</summary>
public sealed class PmBlockTests : IDisposable
{
    private readonly FakeTime _time = new();
    private readonly RecordingWire _sci = new();
    private readonly RecordingPlatform _platform = new();
    private readonly PmBlock _pm;

    public PmBlockTests() => _pm = new PmBlock(_time, _sci.Line, _platform, timerBits: 24);

    public void Dispose() => _pm.Dispose();

    // ACPI 6.5 §4.8.2.1, §4.8.3.3.
    [Fact]
    public void Timer_counts_at_3_579545_mhz_in_24_bits()
    {
        uint before = Read(8, 4);
        _time.Advance(TimeSpan.FromSeconds(1));

        Assert.Equal(3_579_545u, Read(8, 4) - before);
        _time.Advance(TimeSpan.FromSeconds(60));
        Assert.Equal(0u, Read(8, 4) >> 24);
    }

    // ACPI 6.5 §4.8.2.1: TMR_STS and TMR_EN.
    [Fact]
    public void Top_bit_of_the_timer_interrupts_when_it_changes()
    {
        _pm.Start();
        Write(2, 0x0001, 2);
        Assert.False(_sci.Level);
        _time.Advance(TimeSpan.FromSeconds(2.35));
        Assert.True(_sci.Level);
        Assert.Equal(1u, Read(0, 2));
        Write(0, 0x0001, 2);
        Assert.False(_sci.Level);
        _time.Advance(TimeSpan.FromSeconds(2.35));

        Assert.Equal(2, _sci.Rises);
    }

    // ACPI 6.5 §4.8.3.1: PWRBTN_STS, which a written one clears, and PWRBTN_EN.
    [Fact]
    public void Power_button_raises_the_sci_until_its_status_is_written()
    {
        Write(2, 0x0100, 2);
        _pm.PressPowerButton();
        Assert.True(_sci.Level);
        Write(0, 0x0100, 2);

        Assert.False(_sci.Level);
    }

    // ACPI 6.5 §4.8.4.1: GPE0_STS, which written ones clear, and GPE0_EN.
    [Fact]
    public void General_purpose_event_needs_its_enable_bit()
    {
        _pm.RaiseGpe(9);
        Assert.False(_sci.Level);
        Write(0x22, 0x0200, 2);
        Assert.True(_sci.Level);
        Write(0x20, 0x0200, 2);

        Assert.False(_sci.Level);
        Assert.Equal(0x0200_0000u, Read(0x20, 4));
    }

    // ACPI 6.5 §4.8.3.2: SCI_EN; SLP_EN is write-only.
    [Fact]
    public void Acpi_mode_is_always_on_and_sleep_enable_reads_as_zero()
    {
        Write(4, 0x3c00, 2);

        Assert.Equal(0x1c01u, Read(4, 2));
        Assert.Equal(0, _platform.PowerOffs);
    }

    // ACPI 6.5 §4.8.3.2: SLP_TYP and SLP_EN.
    [Fact]
    public void Soft_off_powers_off_whether_written_as_a_word_or_as_bytes()
    {
        Write(4, 0x2000, 2);
        Write(5, 0x20, 1);

        Assert.Equal(2, _platform.PowerOffs);
    }

    // ACPI 6.5 §4.8.3.1, PM1 enable: TMR, GBL, PWRBTN, SLPBTN, RTC and no other event; PM1 status: zeros that are written leave it.
    [Fact]
    public void Only_events_that_there_are_can_be_enabled()
    {
        Assert.Equal((0u, 0u), (Read(0, 4), Read(0x20, 4)));
        Write(2, 0xffff, 2);
        Assert.Equal(0x0721u, Read(2, 2));
        _pm.PressPowerButton();
        Write(0, 0xfeff, 2);
        Assert.Equal(0x0100u, Read(0, 2));
        Assert.True(_sci.Level);
        _pm.Reset();
        Assert.Equal(0u, Read(0, 4));
        Assert.False(_sci.Level);
    }

    // ACPI 6.5 §4.8.3.2: BM_RLD and SLP_TYP are kept, GBL_RLS and SLP_EN read as zero, what is reserved is not there.
    [Fact]
    public void The_control_register_keeps_what_can_be_read()
    {
        Write(4, 0xdfff, 2);

        Assert.Equal(0x1c03u, Read(4, 2));
        Assert.Equal(0, _platform.PowerOffs);
    }

    // ACPI 6.5 §4.8.3.3: the timer is read-only. Intel ICH9 data sheet §13.8.3.9: APMC_EN of SMI_EN, which is locked here. What is between them reads as zero.
    [Fact]
    public void The_timer_and_smi_en_are_read_only()
    {
        uint timer = Read(8, 4);
        Write(8, ~timer, 4);
        Assert.Equal(timer, Read(8, 4));
        Write(0x30, 0, 4);
        Assert.Equal(0x20u, Read(0x30, 4));
        Write(0x10, 0xffff_ffff, 4);
        Assert.Equal(0u, Read(0x10, 4));
    }

    // ACPI 6.5 §4.8.4.1: an event's status is cleared by a one alone, and enabling does not touch it.
    [Fact]
    public void Status_of_general_purpose_events_is_cleared_by_ones()
    {
        _pm.RaiseGpe(1);
        _pm.RaiseGpe(5);
        Write(0x22, 0xffff, 2);
        Write(0x20, 0x0002, 2);
        Assert.Equal(0xffff_0020u, Read(0x20, 4));
        Assert.True(_sci.Level);
        Write(0x20, 0x0020, 2);
        Assert.False(_sci.Level);
    }

    [Fact]
    public void Random_accesses_do_no_harm()
    {
        int step = 0;
        RandomAccesses.Run(_pm, PmBlock.LengthBytes, 4, seed: 9, () => _time.Advance(step++ % 1013 * 100_000L));
    }

    private uint Read(ulong offset, int width)
    {
        byte[] data = new byte[4];
        _pm.Read(offset, data.AsSpan(0, width));
        return BinaryPrimitives.ReadUInt32LittleEndian(data);
    }

    private void Write(ulong offset, uint value, int width)
    {
        byte[] data = new byte[4];
        BinaryPrimitives.WriteUInt32LittleEndian(data, value);
        _pm.Write(offset, data.AsSpan(0, width));
    }
}
