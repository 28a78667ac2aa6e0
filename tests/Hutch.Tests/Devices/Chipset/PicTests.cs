using Hutch.Devices.Chipset;
using Xunit;

namespace Hutch.Tests.Devices.Chipset;

/// <summary>The two cascaded controllers of a PC (Intel 8259A data sheet 231468, by its headings).</summary>
public sealed class PicTests
{
    private const int MasterCommand = 0, MasterData = 1, SlaveCommand = 2, SlaveData = 3, MasterElcr = 4, SlaveElcr = 5;

    private readonly RecordingRouter _router = new();
    private readonly Pic _pic;

    public PicTests()
    {
        _pic = new Pic(_router);
        Initialise(icw4: 0x01);
    }

    // 8259A, OCW1.
    [Fact]
    public void Mask_can_be_read_back_before_initialisation()
    {
        Pic fresh = new(_router);
        fresh.WriteRegister(MasterData, 0xfb);

        Assert.Equal(0xfb, fresh.ReadRegister(MasterData));
        Assert.Equal(-1, fresh.Acknowledge());
    }

    // 8259A, "Interrupt Sequence" and ICW2.
    [Fact]
    public void Edge_raises_the_output_and_gives_its_vector_once()
    {
        _pic.SetInput(4, true);
        Assert.True(_router.ExternalInterrupt);
        Assert.Equal(0x24, _pic.Acknowledge());

        Assert.False(_router.ExternalInterrupt);
        Assert.Equal(0x10, ReadInService(MasterCommand));
    }

    // 8259A, "Cascade Mode" and ICW3.
    [Fact]
    public void Slave_vectors_come_from_the_slave_and_set_both_in_service_bits()
    {
        _pic.SetInput(12, true);

        Assert.Equal(0x2c, _pic.Acknowledge());
        Assert.Equal(0x04, ReadInService(MasterCommand));
        Assert.Equal(0x10, ReadInService(SlaveCommand));
    }

    // 8259A, "Fully Nested Mode" and "End of Interrupt".
    [Fact]
    public void Lower_priority_waits_for_the_end_of_the_higher()
    {
        _pic.SetInput(3, true);
        Assert.Equal(0x23, _pic.Acknowledge());
        _pic.SetInput(5, true);
        Assert.False(_router.ExternalInterrupt);
        _pic.SetInput(1, true);
        Assert.True(_router.ExternalInterrupt);
        Assert.Equal(0x21, _pic.Acknowledge());

        _pic.WriteRegister(MasterCommand, 0x20);
        Assert.False(_router.ExternalInterrupt);
        _pic.WriteRegister(MasterCommand, 0x20);

        Assert.Equal(0x25, _pic.Acknowledge());
    }

    // 8259A, "Cascade Mode": an end of interrupt for each controller.
    [Fact]
    public void Two_slave_interrupts_are_both_delivered()
    {
        _pic.SetInput(8, true);
        Assert.Equal(0x28, _pic.Acknowledge());
        _pic.SetInput(10, true);
        Assert.False(_router.ExternalInterrupt);
        _pic.WriteRegister(SlaveCommand, 0x20);
        _pic.WriteRegister(MasterCommand, 0x20);

        Assert.True(_router.ExternalInterrupt);
        Assert.Equal(0x2a, _pic.Acknowledge());
    }

    // 8259A, "Interrupt Masks".
    [Fact]
    public void Masked_input_waits_until_it_is_unmasked()
    {
        _pic.WriteRegister(MasterData, 0x10);
        _pic.SetInput(4, true);
        Assert.False(_router.ExternalInterrupt);
        _pic.WriteRegister(MasterData, 0x00);

        Assert.Equal(0x24, _pic.Acknowledge());
    }

    // 8259A, "Edge and Level Triggered Modes": the default of level 7.
    [Fact]
    public void Request_that_goes_away_is_spurious_input_7_without_in_service_bit()
    {
        _pic.WriteRegister(MasterElcr, 0x20);
        _pic.SetInput(5, true);
        _pic.SetInput(5, false);

        Assert.False(_router.ExternalInterrupt);
        Assert.Equal(0x27, _pic.Acknowledge());
        Assert.Equal(0, ReadInService(MasterCommand));
    }

    // 8259A, "Edge and Level Triggered Modes", by ELCR (82371AB data sheet, ELCR1 and ELCR2).
    [Fact]
    public void Level_input_interrupts_again_after_its_end_while_it_is_asserted()
    {
        _pic.WriteRegister(SlaveElcr, 0x08);
        _pic.SetInput(11, true);
        Assert.Equal(0x2b, _pic.Acknowledge());
        _pic.WriteRegister(SlaveCommand, 0x63);
        _pic.WriteRegister(MasterCommand, 0x62);

        Assert.Equal(0x2b, _pic.Acknowledge());
        _pic.SetInput(11, false);
        _pic.WriteRegister(SlaveCommand, 0x63);
        _pic.WriteRegister(MasterCommand, 0x62);
        Assert.False(_router.ExternalInterrupt);
    }

    // 8259A, "Edge and Level Triggered Modes".
    [Fact]
    public void Edge_input_does_not_interrupt_again_while_it_stays_high()
    {
        _pic.SetInput(6, true);
        Assert.Equal(0x26, _pic.Acknowledge());
        _pic.WriteRegister(MasterCommand, 0x20);

        Assert.False(_router.ExternalInterrupt);
    }

    // 82371AB data sheet, ELCR1 and ELCR2: inputs 0, 1, 2, 8 and 13.
    [Fact]
    public void Edge_control_keeps_the_fixed_inputs_edge_triggered()
    {
        _pic.WriteRegister(MasterElcr, 0xff);
        _pic.WriteRegister(SlaveElcr, 0xff);

        Assert.Equal(0xf8, _pic.ReadRegister(MasterElcr));
        Assert.Equal(0xde, _pic.ReadRegister(SlaveElcr));
    }

    // 8259A, "Automatic Rotation (Equal Priority Devices)", OCW2.
    [Fact]
    public void Rotation_on_end_gives_the_served_input_the_lowest_priority()
    {
        _pic.SetInput(3, true);
        _ = _pic.Acknowledge();
        _pic.WriteRegister(MasterCommand, 0xa0);
        _pic.SetInput(3, false);
        _pic.SetInput(3, true);
        _pic.SetInput(4, true);

        Assert.Equal(0x24, _pic.Acknowledge());
    }

    // 8259A, "Specific Rotation (Specific Priority)", OCW2.
    [Fact]
    public void Set_priority_makes_the_next_input_the_highest()
    {
        _pic.WriteRegister(MasterCommand, 0xc0 | 4);
        _pic.SetInput(1, true);
        _pic.SetInput(5, true);

        Assert.Equal(0x25, _pic.Acknowledge());
    }

    // 8259A, "Automatic End of Interrupt (AEOI) Mode", ICW4.
    [Fact]
    public void Automatic_end_leaves_no_in_service_bit_and_may_rotate()
    {
        Initialise(icw4: 0x03);
        _pic.WriteRegister(MasterCommand, 0x80);
        _pic.SetInput(0, true);
        Assert.Equal(0x20, _pic.Acknowledge());
        Assert.Equal(0, ReadInService(MasterCommand));
        _pic.SetInput(0, false);
        _pic.SetInput(0, true);
        _pic.SetInput(1, true);

        Assert.Equal(0x21, _pic.Acknowledge());
    }

    // 8259A, "Special Mask Mode", OCW3.
    [Fact]
    public void Special_mask_mode_lets_lower_priorities_through()
    {
        _pic.SetInput(3, true);
        _ = _pic.Acknowledge();
        _pic.SetInput(5, true);
        _pic.WriteRegister(MasterCommand, 0x68);
        Assert.False(_router.ExternalInterrupt);
        _pic.WriteRegister(MasterData, 0x08);

        Assert.Equal(0x25, _pic.Acknowledge());
        _pic.WriteRegister(MasterCommand, 0x20);
        Assert.Equal(0x08, ReadInService(MasterCommand));
    }

    // 8259A, "The Special Fully Nested Mode", ICW4.
    [Fact]
    public void Special_fully_nested_mode_lets_the_slave_nest()
    {
        Initialise(icw4: 0x11);
        _pic.SetInput(12, true);
        _ = _pic.Acknowledge();
        _pic.SetInput(8, true);

        Assert.True(_router.ExternalInterrupt);
        Assert.Equal(0x28, _pic.Acknowledge());
    }

    // 8259A, "Poll Command", OCW3.
    [Fact]
    public void Poll_reads_and_acknowledges_the_highest_request()
    {
        _pic.SetInput(6, true);
        _pic.WriteRegister(MasterCommand, 0x0c);

        Assert.Equal(0x86, _pic.ReadRegister(MasterCommand));
        Assert.Equal(0x40, ReadInService(MasterCommand));
        _pic.WriteRegister(MasterCommand, 0x0c);
        Assert.Equal(0x00, _pic.ReadRegister(MasterCommand));
    }

    // 8259A, "Initialization Command Words": ICW1 clears the mask and the edge sense.
    [Fact]
    public void Initialisation_forgets_edges_and_masks()
    {
        _pic.SetInput(4, true);
        _pic.WriteRegister(MasterData, 0xff);
        Initialise(icw4: 0x01);

        Assert.Equal(0, _pic.ReadRegister(MasterData));
        Assert.False(_router.ExternalInterrupt);
    }

    [Fact]
    public void Random_accesses_do_no_harm()
    {
        int step = 0;
        RandomAccesses.Run(_pic, 6, seed: 1, () =>
        {
            _pic.SetInput(step % 16, step / 16 % 2 == 0);
            step++;
            _ = _pic.Acknowledge();
        });
    }

    private byte ReadInService(int command)
    {
        _pic.WriteRegister(command, 0x0b);
        return _pic.ReadRegister(command);
    }

    private void Initialise(byte icw4)
    {
        _pic.WriteRegister(MasterCommand, 0x11);
        _pic.WriteRegister(MasterData, 0x20);
        _pic.WriteRegister(MasterData, 0x04);
        _pic.WriteRegister(MasterData, icw4);
        _pic.WriteRegister(SlaveCommand, 0x11);
        _pic.WriteRegister(SlaveData, 0x28);
        _pic.WriteRegister(SlaveData, 0x02);
        _pic.WriteRegister(SlaveData, icw4);
    }
}
