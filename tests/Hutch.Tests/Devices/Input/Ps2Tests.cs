using System;
using System.Collections.Generic;
using Hutch.Core.State;
using Hutch.Devices;
using Hutch.Devices.Chipset;
using Hutch.Devices.Input;
using Hutch.Tests.Devices.Chipset;
using Xunit;

namespace Hutch.Tests.Devices.Input;

/// <summary>Keyboard and mouse behind the controller, as drivers talk to them (IBM PS/2 technical reference).</summary>
public sealed class Ps2Tests
{
    private const int Data = 0, Command = 1;

    private readonly RecordingWire _keyboardWire = new(), _mouseWire = new();
    private readonly I8042 _controller;
    private readonly Ps2Keyboard _keyboard;
    private readonly Ps2Mouse _mouse;

    public Ps2Tests()
    {
        _controller = new I8042(new A20Gate(), _keyboardWire.Line, new RecordingPlatform(), _mouseWire.Line);
        (_keyboard, _mouse) = (new Ps2Keyboard(_controller), new Ps2Mouse(_controller));
        _controller.Plug(_keyboard, _mouse);
        _keyboard.SetRunning(true);
        _mouse.SetRunning(true);
    }

    private byte Status => _controller.ReadRegister(Command);

    private byte[] ReadAll()
    {
        List<byte> bytes = [];
        while ((Status & 1) != 0) bytes.Add(_controller.ReadRegister(Data));
        return [.. bytes];
    }

    private byte[] ToKeyboard(params byte[] bytes)
    {
        foreach (byte value in bytes) _controller.WriteRegister(Data, value);
        return ReadAll();
    }

    private byte[] ToMouse(params byte[] bytes)
    {
        List<byte> answers = [];
        foreach (byte value in bytes)
        {
            _controller.WriteRegister(Command, 0xd4);
            _controller.WriteRegister(Data, value);
            answers.AddRange(ReadAll());
        }
        return [.. answers];
    }

    private void SetCommandByte(byte value)
    {
        _controller.WriteRegister(Command, 0x60);
        _controller.WriteRegister(Data, value);
    }

    // IBM PS/2, scan code sets 1 and 2; bit 6 of the command byte translates.
    [Theory]
    [InlineData(0x1e, new byte[] { 0x1e, 0x9e }, new byte[] { 0x1c, 0xf0, 0x1c })]             // A
    [InlineData(0x41, new byte[] { 0x41, 0xc1 }, new byte[] { 0x83, 0xf0, 0x83 })]             // F7, above the table
    [InlineData(0xc8, new byte[] { 0xe0, 0x48, 0xe0, 0xc8 }, new byte[] { 0xe0, 0x75, 0xe0, 0xf0, 0x75 })] // up
    [InlineData(0x9d, new byte[] { 0xe0, 0x1d, 0xe0, 0x9d }, new byte[] { 0xe0, 0x14, 0xe0, 0xf0, 0x14 })] // right control
    public void Keys_come_in_set_1_with_translation_and_in_set_2_without(byte key, byte[] translated, byte[] plain)
    {
        _keyboard.Press(key, true);
        _keyboard.Press(key, false);
        Assert.Equal(translated, ReadAll());

        SetCommandByte(0x05);
        _keyboard.Press(key, true);
        _keyboard.Press(key, false);
        Assert.Equal(plain, ReadAll());
    }

    [Fact]
    public void Every_key_of_set_1_comes_back_from_set_2()
    {
        for (byte key = 1; key <= 0x58; key++)
        {
            byte code = ScanCodes.SetTwo(key);
            if (code != 0) Assert.Equal(key, ScanCodes.Translate(code, released: false));
        }
    }

    // IBM PS/2, command byte, bits 0 and 1; status bit 5: the byte is the mouse's.
    [Fact]
    public void Each_byte_raises_the_interrupt_that_the_command_byte_allows()
    {
        _keyboard.Press(0x1e, true);
        _keyboard.Press(0x1e, false);
        Assert.Equal(1, _keyboardWire.Rises);
        Assert.Equal(0x1e, _controller.ReadRegister(Data));
        Assert.Equal(2, _keyboardWire.Rises);
        _controller.ReadRegister(Data);
        Assert.False(_keyboardWire.Level);

        SetCommandByte(0x44);
        _keyboard.Press(0x1e, true);
        Assert.Equal(2, _keyboardWire.Rises);
        Assert.Equal(1, Status & 1);
    }

    // IBM PS/2, controller commands ADh and AEh.
    [Fact]
    public void A_keyboard_that_is_switched_off_keeps_its_bytes()
    {
        _controller.WriteRegister(Command, 0xad);
        _keyboard.Press(0x1e, true);
        Assert.Equal(0, Status & 1);
        _controller.WriteRegister(Command, 0xae);
        Assert.Equal([0x1e], ReadAll());
    }

    // IBM PS/2, keyboard commands: FFh reset, F2h read ID, EEh echo, EDh indicators, F0h scan code set, F5h and F4h disable and enable, FEh resend.
    [Fact]
    public void The_keyboard_answers_the_commands_of_drivers()
    {
        SetCommandByte(0x05);
        Assert.Equal([0xfa, 0xaa], ToKeyboard(0xff));
        Assert.Equal([0xfa, 0xab, 0x83], ToKeyboard(0xf2));
        Assert.Equal([0xee], ToKeyboard(0xee));
        Assert.Equal([0xfa, 0xfa], ToKeyboard(0xed, 0x02));
        Assert.Equal(2, _keyboard.Leds);
        Assert.Equal([0xfa, 0xfa, 0x02], ToKeyboard(0xf0, 0x00));
        Assert.Equal([0xfa, 0xfa], ToKeyboard(0xf0, 0x02));
        Assert.Equal([0xfa, 0xfe], ToKeyboard(0xf0, 0x03));
        Assert.Equal([0xfa], ToKeyboard(0xf5));
        _keyboard.Press(0x1e, true);
        Assert.Empty(ReadAll());
        Assert.Equal([0xfa], ToKeyboard(0xf4));
        Assert.Equal([0xfa], ToKeyboard(0xfe));
        Assert.Equal([0xfe], ToKeyboard(0x01));
    }

    [Fact]
    public void Answers_of_the_controller_wait_for_the_byte_before_them()
    {
        _keyboard.Press(0x1e, true);
        _controller.WriteRegister(Command, 0x20);
        Assert.Equal([0x1e, 0x47], ReadAll());
        _controller.WriteRegister(Command, 0xa9);
        Assert.Equal([0x00], ReadAll());
    }

    // IBM PS/2, mouse commands and the data packet of three bytes.
    [Fact]
    public void The_mouse_tells_of_motion_and_buttons()
    {
        Assert.Equal([0xfa, 0xaa, 0x00], ToMouse(0xff));
        Assert.Equal([0xfa], ToMouse(0xf4));

        _mouse.Update(5, 3, 0, PointerButtons.Left);

        Assert.Equal(0x21, Status & 0x21);
        Assert.True(_mouseWire.Level && !_keyboardWire.Level);
        Assert.Equal([0x29, 5, 0xfd], ReadAll());
        _mouse.Update(0, 0, 0, PointerButtons.None);
        Assert.Equal([0x08, 0, 0], ReadAll());
        _mouse.Update(0, 0, 0, PointerButtons.None);
        Assert.Empty(ReadAll());
    }

    // IBM PS/2, mouse data packet: nine bits in each direction.
    [Fact]
    public void Long_motion_comes_in_parts()
    {
        ToMouse(0xf4);
        _mouse.Update(-300, 0, 0, PointerButtons.None);
        Assert.Equal([0x18, 0x01, 0, 0x18, 0xd3, 0], ReadAll());
    }

    [Fact]
    public void Rows_of_rates_switch_the_wheel_on_and_then_five_buttons()
    {
        Assert.Equal([0xfa, 0x00], ToMouse(0xf2));
        ToMouse(0xf3, 200, 0xf3, 100, 0xf3, 80);
        Assert.Equal([0xfa, 0x03], ToMouse(0xf2));
        ToMouse(0xf3, 200, 0xf3, 200, 0xf3, 80);
        Assert.Equal([0xfa, 0x04], ToMouse(0xf2));
        ToMouse(0xf4);
        _mouse.Update(0, 0, -1, PointerButtons.Back);
        Assert.Equal([0x08, 0, 0, 0x1f], ReadAll());
        Assert.Equal([0xfa, 0x20, 2, 80], ToMouse(0xe9));
    }

    [Fact]
    public void A_key_that_is_let_go_while_the_machine_stands_still_is_released_afterwards()
    {
        _keyboard.Press(0x1d, true);
        Assert.Equal([0x1d], ReadAll());
        _keyboard.SetRunning(false);
        _keyboard.Press(0x1d, false);
        _keyboard.Press(0x1e, true);
        Assert.Empty(ReadAll());
        _keyboard.SetRunning(true);
        Assert.Equal([0x9d], ReadAll());
    }

    [Fact]
    public void Keys_beyond_the_queue_are_dropped_whole()
    {
        SetCommandByte(0x05);
        for (int i = 0; i < 1000; i++) _keyboard.Press(0xc8, i % 2 == 0);
        byte[] bytes = ReadAll();
        Assert.InRange(bytes.Length, 200, 260);
        Assert.Equal(0x75, bytes[^1]);
    }

    [Fact]
    public void A_saved_state_comes_back_to_the_same_bytes()
    {
        ToMouse(0xf4);
        _keyboard.Press(0x1e, true);
        _keyboard.Press(0x1e, false);
        _mouse.Update(300, 1, 0, PointerButtons.Right);
        byte[] saved = Save(this);
        Ps2Tests other = new();
        foreach ((string name, Action<StateFields> exchange) in other.Units) exchange(new StateReader(name, Part(this, name)));

        Assert.Equal(saved, Save(other));
        Assert.Equal(ReadAll(), other.ReadAll());
    }

    private (string Name, Action<StateFields> Exchange)[] Units => [("i8042", _controller.Exchange), ("keyboard", _keyboard.Exchange), ("mouse", _mouse.Exchange)];

    private static byte[] Part(Ps2Tests machine, string name)
    {
        StateWriter writer = new(name);
        Array.Find(machine.Units, unit => unit.Name == name).Exchange(writer);
        return writer.Body.ToArray();
    }

    private static byte[] Save(Ps2Tests machine) => [.. Part(machine, "i8042"), .. Part(machine, "keyboard"), .. Part(machine, "mouse")];

    [Fact]
    public void Random_accesses_do_no_harm()
    {
        Random random = new(5);
        RandomAccesses.Run(_controller, 2, seed: 9, between: () =>
        {
            _keyboard.Press((byte)random.Next(256), random.Next(2) == 0);
            _mouse.Update(random.Next(-9999, 9999), random.Next(-9999, 9999), random.Next(-9, 9), (PointerButtons)random.Next(32));
        });
    }
}
