using System;
using System.Buffers.Binary;
using Hutch.Core.Bus;
using Hutch.Core.Interrupts;
using Hutch.Devices.Chipset;
using Xunit;

namespace Hutch.Tests.Devices.Chipset;

/// <summary>The I/O APIC (Intel 82093AA data sheet 290566; version and EOI register of the Intel ICH9 data sheet §13.5).</summary>
public sealed class IoapicTests : IDisposable
{
    private const uint Level = 1 << 15, Masked = 1 << 16, Logical = 1 << 11, RemoteIrr = 1 << 14;

    private readonly RecordingRouter _router = new();
    private readonly FakeTime _time = new();
    private readonly Ioapic _ioapic;

    public IoapicTests() => _ioapic = new Ioapic(_router, _time);

    public void Dispose() => _ioapic.Dispose();

    // 82093AA §3.2.1 and §3.2.2: identification, version and the number of the last entry.
    [Fact]
    public void Identifies_itself_as_version_20_with_24_pins()
    {
        Assert.Equal(0x0017_0020u, ReadIndexed(1));
        WriteIndexed(0, 0x0500_0000);
        Assert.Equal(0x0500_0000u, ReadIndexed(0));
    }

    // 82093AA §3.2.1: bits 27 to 24 alone; §3.2.3: the arbitration id is loaded with it; §3.2.2 and §3.2.3 are read-only.
    [Fact]
    public void The_id_has_four_bits_and_is_that_of_arbitration_too()
    {
        WriteIndexed(0, 0xffff_ffff);
        Assert.Equal((0x0f00_0000u, 0x0f00_0000u), (ReadIndexed(0), ReadIndexed(2)));
        WriteIndexed(1, 0);
        WriteIndexed(2, 0);
        Assert.Equal((0x0017_0020u, 0x0f00_0000u), (ReadIndexed(1), ReadIndexed(2)));
        _ioapic.Reset();
        Assert.Equal((0u, 0u), (ReadIndexed(0), ReadIndexed(2)));
    }

    // 82093AA §3.2.4, default value: the mask is set.
    [Fact]
    public void All_pins_are_masked_after_reset()
    {
        for (byte pin = 0; pin < 24; pin++) Assert.Equal(Masked, ReadIndexed((byte)(0x10 + 2 * pin)));
    }

    // 82093AA §3.2.4: vector, trigger mode, destination.
    [Fact]
    public void Edge_becomes_one_message_with_the_entry_s_destination_and_vector()
    {
        WriteEntry(4, 0x31, destination: 3);
        _ioapic.SetInput(4, true);
        _ioapic.SetInput(4, true);

        Assert.Equal([new MsiMessage(0xFEE0_3000, 0x4031)], _router.Messages);
    }

    // 82093AA §3.2.4: delivery mode, destination mode, trigger mode.
    [Fact]
    public void Logical_lowest_priority_level_entry_sets_the_message_s_mode_bits()
    {
        WriteEntry(17, 0x42 | (1 << 8) | Logical | Level, destination: 0xff);
        _ioapic.SetInput(17, true);

        Assert.Equal([new MsiMessage(0xFEEF_F004, 0xc142)], _router.Messages);
    }

    [Fact]
    public void A_pin_that_never_falls_lets_the_guest_go_on_after_a_thousand_interrupts()
    {
        WriteEntry(17, 0x42 | Level);
        _ioapic.SetInput(17, true);
        for (int i = 0; i < 2000; i++) _ioapic.EndOfInterrupt(0x42);
        Assert.Equal(1000, _router.Messages.Count);
        _ioapic.SetInput(3, true);
        WriteEntry(17, 0x42 | Level);
        Assert.Equal(1000, _router.Messages.Count);
        _time.Advance(1_000_000);
        Assert.Equal(1001, _router.Messages.Count);
        _ioapic.EndOfInterrupt(0x42);
        Assert.Equal(1002, _router.Messages.Count);
    }

    [Fact]
    public void A_pin_that_falls_is_not_held()
    {
        WriteEntry(17, 0x42 | Level);
        for (int i = 0; i < 3000; i++)
        {
            _ioapic.SetInput(17, true);
            if (i % 500 == 0) _ioapic.SetInput(17, false);
            _ioapic.EndOfInterrupt(0x42);
        }
        Assert.InRange(_router.Messages.Count, 2990, 3001);
    }

    [Fact]
    public void A_held_pin_delivers_when_the_machine_goes_on()
    {
        WriteEntry(17, 0x42 | Level);
        _ioapic.SetInput(17, true);
        for (int i = 0; i < 1000; i++) _ioapic.EndOfInterrupt(0x42);
        _ioapic.Stop();
        _ioapic.Start();
        Assert.Equal(1001, _router.Messages.Count);
    }

    // 82093AA §3.2.4, interrupt mask.
    [Fact]
    public void Edge_on_a_masked_pin_is_lost()
    {
        WriteEntry(4, 0x31 | Masked);
        _ioapic.SetInput(4, true);
        WriteEntry(4, 0x31);

        Assert.Empty(_router.Messages);
    }

    [Fact]
    public void Level_on_a_masked_pin_is_delivered_when_it_is_unmasked()
    {
        WriteEntry(9, 0x31 | Level | Masked);
        _ioapic.SetInput(9, true);
        WriteEntry(9, 0x31 | Level);

        Assert.Single(_router.Messages);
    }

    // 82093AA §3.2.4, remote IRR: set by delivery, cleared by the end of interrupt.
    [Fact]
    public void Level_is_delivered_again_after_the_end_only_while_asserted()
    {
        WriteEntry(9, 0x31 | Level);
        _ioapic.SetInput(9, true);
        Assert.NotEqual(0u, ReadIndexed(0x10 + 18) & RemoteIrr);
        _ioapic.EndOfInterrupt(0x32);
        Assert.Single(_router.Messages);
        _ioapic.EndOfInterrupt(0x31);
        Assert.Equal(2, _router.Messages.Count);
        _ioapic.SetInput(9, false);
        _ioapic.EndOfInterrupt(0x31);

        Assert.Equal(2, _router.Messages.Count);
        Assert.Equal(0u, ReadIndexed(0x10 + 18) & RemoteIrr);
    }

    // The EOI register (Intel ICH9 data sheet §13.5.6).
    [Fact]
    public void End_register_ends_as_the_local_apic_s_message_does()
    {
        WriteEntry(9, 0x31 | Level);
        _ioapic.SetInput(9, true);
        Write(0x40, 0x31);

        Assert.Equal(2, _router.Messages.Count);
    }

    // 82093AA §3.2.4, remote IRR: of level-triggered entries alone.
    [Fact]
    public void Masking_keeps_remote_irr_and_an_edge_entry_clears_it()
    {
        WriteEntry(9, 0x31 | Level);
        _ioapic.SetInput(9, true);
        WriteEntry(9, 0x31 | Level | Masked);
        Assert.NotEqual(0u, ReadIndexed(0x10 + 18) & RemoteIrr);
        WriteEntry(9, 0x31 | Masked);

        Assert.Equal(0u, ReadIndexed(0x10 + 18) & RemoteIrr);
    }

    // 82093AA §3.2.4: delivery status and remote IRR are read-only.
    [Fact]
    public void Read_only_bits_cannot_be_written()
    {
        WriteEntry(5, 0x31 | Level | RemoteIrr | (1 << 12) | 0xfffe_0000);

        Assert.Equal(0x31u | Level, ReadIndexed(0x10 + 10));
    }

    // 82093AA §3.1: two registers, of which the window is accessed as a double word.
    [Fact]
    public void Registers_outside_the_three_and_odd_widths_are_refused()
    {
        byte[] data = new byte[8];

        Assert.Equal(BusStatus.BadOffset, _ioapic.Read(0x20, data.AsSpan(0, 4)));
        Assert.Equal(BusStatus.BadWidth, _ioapic.Read(0x10, data));
        Assert.Equal(BusStatus.BadWidth, _ioapic.Write(0x10, data.AsSpan(0, 1)));
    }

    [Fact]
    public void Random_accesses_do_no_harm()
    {
        int step = 0;
        RandomAccesses.Run(_ioapic, 0x1000, 8, seed: 2);
        RandomAccesses.Run(_ioapic, 0x44, 8, seed: 3, () =>
        {
            _ioapic.SetInput(step % 24, step / 24 % 2 == 0);
            _ioapic.EndOfInterrupt((byte)step++);
        });
    }

    private void WriteEntry(byte pin, uint low, byte destination = 0)
    {
        WriteIndexed((byte)(0x11 + 2 * pin), (uint)destination << 24);
        WriteIndexed((byte)(0x10 + 2 * pin), low);
    }

    private uint ReadIndexed(byte index)
    {
        Write(0, index);
        byte[] data = new byte[4];
        Assert.Equal(BusStatus.Handled, _ioapic.Read(0x10, data));
        return BinaryPrimitives.ReadUInt32LittleEndian(data);
    }

    private void WriteIndexed(byte index, uint value)
    {
        Write(0, index);
        Write(0x10, value);
    }

    private void Write(ulong offset, uint value)
    {
        byte[] data = new byte[4];
        BinaryPrimitives.WriteUInt32LittleEndian(data, value);
        Assert.Equal(BusStatus.Handled, _ioapic.Write(offset, data));
    }
}
