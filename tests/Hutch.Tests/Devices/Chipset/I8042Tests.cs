using Hutch.Devices.Chipset;
using Xunit;

namespace Hutch.Tests.Devices.Chipset;

/// <summary>Commands of the controller without devices (IBM PS/2 technical reference, "Keyboard and Auxiliary Device Controller").</summary>
public sealed class I8042Tests
{
    private const int Data = 0, Command = 1;

    private readonly A20Gate _a20 = new();
    private readonly RecordingWire _wire = new();
    private readonly RecordingPlatform _platform = new();
    private readonly I8042 _keyboard;

    public I8042Tests() => _keyboard = new I8042(_a20, _wire.Line, _platform);

    // IBM PS/2, commands AAh (self test), ABh and A9h (tests of the ports), D0h (output port); status bit 0 is "output buffer full".
    [Theory]
    [InlineData(0xaa, 0x55)]
    [InlineData(0xab, 0x00)]
    [InlineData(0xa9, 0xff)]
    [InlineData(0xd0, 0x03)]
    public void Tests_answer_at_once(byte command, byte answer)
    {
        Assert.Equal(0, Status & 1);
        _keyboard.WriteRegister(Command, command);
        Assert.Equal(1, Status & 1);

        Assert.Equal(answer, _keyboard.ReadRegister(Data));
        Assert.Equal(0, Status & 1);
    }

    // IBM PS/2, commands F0h to FFh: bits that are clear pulse their lines, of which line 0 is the reset.
    [Theory]
    [InlineData(0xfe, 1)]
    [InlineData(0xf0, 1)]
    [InlineData(0xff, 0)]
    public void Pulsing_line_0_resets(byte command, int resets)
    {
        _keyboard.WriteRegister(Command, command);

        Assert.Equal(resets, _platform.Resets);
    }

    // IBM PS/2, command D1h: bit 0 of the output port is the reset, bit 1 A20.
    [Fact]
    public void Output_port_moves_a20_and_resets()
    {
        _keyboard.WriteRegister(Command, 0xd1);
        _keyboard.WriteRegister(Data, 0x01);
        Assert.False(_a20.Enabled);
        _keyboard.WriteRegister(Command, 0xdf);
        Assert.True(_a20.Enabled);
        _keyboard.WriteRegister(Command, 0xd1);
        _keyboard.WriteRegister(Data, 0x02);

        Assert.Equal(1, _platform.Resets);
    }

    // IBM PS/2, status register, bit 6: time-out, with FEh in the output buffer.
    [Fact]
    public void Absent_keyboard_times_out_at_once()
    {
        _keyboard.WriteRegister(Data, 0xff);

        Assert.Equal(0x41, Status & 0x41);
        Assert.Equal(0xfe, _keyboard.ReadRegister(Data));
        Assert.Equal(0, Status & 0x41);
    }

    // IBM PS/2, commands 60h and 20h: the command byte, whose bit 0 lets bytes interrupt.
    [Fact]
    public void Answers_interrupt_where_the_command_byte_says_so()
    {
        _keyboard.WriteRegister(Command, 0x60);
        _keyboard.WriteRegister(Data, 0x05);
        _keyboard.WriteRegister(Command, 0x20);
        Assert.True(_wire.Level);

        Assert.Equal(0x05, _keyboard.ReadRegister(Data));
        Assert.False(_wire.Level);
    }

    [Fact]
    public void Random_accesses_do_no_harm() => RandomAccesses.Run(_keyboard, 2, seed: 8);

    private byte Status => _keyboard.ReadRegister(Command);
}
