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

    // IBM PS/2, status register: bit 2 is the system flag, bit 3 tells commands (1) from data (0), bit 4 says that the keyboard is not inhibited.
    [Fact]
    public void Status_tells_commands_from_data()
    {
        Assert.Equal(0x14, Status);
        _keyboard.WriteRegister(Command, 0x60);
        Assert.Equal(0x1c, Status);
        _keyboard.WriteRegister(Data, 0x05);
        Assert.Equal(0x14, Status);
    }

    // IBM PS/2, commands A7h and A8h, ADh and AEh: bits 5 and 4 of the command byte switch the ports off. Without devices both are off after a reset.
    [Theory]
    [InlineData(0xa8, 0x14)]
    [InlineData(0xae, 0x24)]
    public void Ports_are_switched_on_and_off_by_commands(byte on, byte commandByte)
    {
        Assert.Equal(0x34, Ask(0x20));
        _keyboard.WriteRegister(Command, on);
        Assert.Equal(commandByte, Ask(0x20));
        _keyboard.WriteRegister(Command, (byte)(on - 1));
        Assert.Equal(0x34, Ask(0x20));
        _keyboard.WriteRegister(Command, on);
        _keyboard.Reset();
        Assert.Equal(0x34, Ask(0x20));
    }

    // IBM PS/2, commands 20h to 3Fh and 60h to 7Fh: the controller's RAM, whose first byte is the command byte.
    [Theory]
    [InlineData(0x61)]
    [InlineData(0x7f)]
    public void The_controllers_ram_reads_back(byte write)
    {
        _keyboard.WriteRegister(Command, write);
        _keyboard.WriteRegister(Data, 0xa5);
        Assert.Equal(0xa5, Ask((byte)(write - 0x40)));
        Assert.Equal(0x34, Ask(0x20));
    }

    // IBM PS/2, commands C0h (input port; bit 7: the lock is open), DDh and DFh (A20), D0h (output port), D2h (a byte as if the keyboard had sent it).
    [Fact]
    public void Both_ports_and_the_output_buffer_can_be_reached()
    {
        Assert.Equal(0x80, Ask(0xc0));
        _keyboard.WriteRegister(Command, 0xdd);
        Assert.Equal(0x01, Ask(0xd0));
        _keyboard.WriteRegister(Command, 0xdf);
        Assert.Equal(0x03, Ask(0xd0));
        _keyboard.WriteRegister(Command, 0xd2);
        _keyboard.WriteRegister(Data, 0x5a);
        Assert.Equal(0x01, Status & 0x21);
        Assert.Equal(0x5a, _keyboard.ReadRegister(Data));
    }

    [Fact]
    public void Random_accesses_do_no_harm() => RandomAccesses.Run(_keyboard, 2, seed: 8);

    private byte Status => _keyboard.ReadRegister(Command);

    private byte Ask(byte command)
    {
        _keyboard.WriteRegister(Command, command);
        return _keyboard.ReadRegister(Data);
    }
}
