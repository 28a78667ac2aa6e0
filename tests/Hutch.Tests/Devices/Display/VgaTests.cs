using System;
using System.Linq;
using Hutch.Core.State;
using Hutch.Devices;
using Hutch.Devices.Display;
using Hutch.Devices.Pci;
using Hutch.Tests.Devices.Virtio;
using Xunit;

namespace Hutch.Tests.Devices.Display;

/// <summary>The display adapter as drivers program it (QEMU docs/specs/standard-vga; IBM PS/2 Video Subsystem).</summary>
public sealed class VgaTests : IDisposable
{
    private const int Slot = 1, MemoryBytes = 4 << 20;

    private readonly TestMachine _machine = new();
    private readonly VgaCard _card;
    private readonly ScreenFrame _frame = new();

    public VgaTests()
    {
        byte[] rom = new byte[3000];
        (rom[0], rom[1], rom[2999]) = (0x55, 0xaa, 0x77);
        _card = new VgaCard("vga0", _machine.Services, MemoryBytes, new OptionRom(rom));
        _machine.Pci.AssignResources(0, 0);
    }

    public void Dispose()
    {
        _card.Dispose();
        _machine.Dispose();
    }

    private ulong Memory => _card.Bars[0].Region!.Start;

    private ulong Registers => _card.Bars[1].Region!.Start;

    private void Set(ushort port, byte index, byte value) => _machine.Out(port, (uint)(index | value << 8), 2);

    private void Dispi(int index, ushort value)
    {
        _machine.Out(0x1ce, (uint)index, 2);
        _machine.Out(0x1cf, value, 2);
    }

    private uint Dispi(int index)
    {
        _machine.Out(0x1ce, (uint)index, 2);
        return _machine.In(0x1cf, 2);
    }

    private void SetMode(ushort width, ushort height, ushort bits)
    {
        Dispi(4, 0);
        Dispi(1, width);
        Dispi(2, height);
        Dispi(3, bits);
        Dispi(4, 0x41);
    }

    private void Palette(byte index, byte red, byte green, byte blue)
    {
        _machine.Out(0x3c8, index, 1);
        foreach (byte part in (byte[])[red, green, blue]) _machine.Out(0x3c9, part, 1);
    }

    // Mode 3 as video BIOSes set it, with the palette straight through.
    private void SetTextMode()
    {
        _machine.Out(0x3c2, 0x67, 1);
        foreach ((byte index, byte value) in ((byte, byte)[])[(1, 1), (2, 3), (3, 0), (4, 2)]) Set(0x3c4, index, value);
        foreach ((byte index, byte value) in ((byte, byte)[])[(5, 0x10), (6, 0x0e), (8, 0xff)]) Set(0x3ce, index, value);
        foreach ((byte index, byte value) in ((byte, byte)[])[(0x11, 0), (1, 79), (7, 0x1f), (9, 0x4f), (0x0a, 0x20), (0x12, 0x8f), (0x13, 40)]) Set(0x3d4, index, value);
        SetAttributes(0x04);
        Palette(7, 0x2a, 0x2a, 0x2a);
        Palette(1, 0, 0, 0x2a);
    }

    private void SetAttributes(byte mode)
    {
        _machine.In(0x3da, 1);
        for (byte i = 0; i < 16; i++) Attribute(i, i);
        Attribute(0x10, mode);
        Attribute(0x12, 0x0f);
        _machine.Out(0x3c0, 0x20, 1);
    }

    private void Attribute(byte index, byte value)
    {
        _machine.Out(0x3c0, index, 1);
        _machine.Out(0x3c0, value, 1);
    }

    // The font is plane 2, 32 bytes for each character.
    private void SetGlyph(byte character, byte row, byte bits)
    {
        Set(0x3c4, 2, 4);
        Set(0x3c4, 4, 6);
        Set(0x3ce, 5, 0);
        Set(0x3ce, 6, 4);
        _machine.Store(0xa_0000 + (ulong)(character * 32) + row, bits, 1);
        Set(0x3c4, 2, 3);
        Set(0x3c4, 4, 2);
        Set(0x3ce, 5, 0x10);
        Set(0x3ce, 6, 0x0e);
    }

    private ScreenFrame Draw()
    {
        _card.Draw(_frame);
        return _frame;
    }

    // QEMU docs/specs/standard-vga, "PCI spec".
    [Fact]
    public void It_is_the_pci_function_that_drivers_look_for()
    {
        Assert.Equal(0x1111_1234u, _machine.ReadConfig(Slot, 0));
        Assert.Equal(0x030000u, _machine.ReadConfig(Slot, 8) >> 8);
        Assert.Equal(8u, _machine.ReadConfig(Slot, 0x10) & 15);
        _machine.WriteConfig(Slot, 0x10, uint.MaxValue);
        _machine.WriteConfig(Slot, 0x18, uint.MaxValue);
        _machine.WriteConfig(Slot, 0x30, uint.MaxValue);
        Assert.Equal(~(uint)(MemoryBytes - 1) | 8, _machine.ReadConfig(Slot, 0x10));
        Assert.Equal(0xffff_f000u, _machine.ReadConfig(Slot, 0x18));
        Assert.Equal(0xffff_f001u, _machine.ReadConfig(Slot, 0x30));
    }

    // PCI Local Bus 3.0 §6.2.5.2.
    [Fact]
    public void The_rom_is_there_while_its_own_bit_is_set()
    {
        uint place = _machine.ReadConfig(Slot, 0x30);
        Assert.Equal(0u, place & 1);
        Assert.Equal(0xffffUL, _machine.Load(place, 2));

        _machine.WriteConfig(Slot, 0x30, place | 1);

        Assert.Equal(0xaa55UL, _machine.Load(place, 2));
        Assert.Equal(0x77UL, _machine.Load(place + 2999, 1));
        Assert.Equal(0xffUL, _machine.Load(place + 3000, 1));
    }

    [Fact]
    public void Guest_memory_has_the_frame_buffer_where_bar_0_is()
    {
        DispiAndMemoryAre(Memory);
        _machine.WriteConfig(Slot, 0x10, 0xd000_0000);
        Assert.Equal(0xd000_0000UL, _machine.Services.Memory.Layout.Devices[0].Start);
        DispiAndMemoryAre(0xd000_0000);
        _machine.WriteConfig(Slot, 4, 0, 2);
        Assert.Null(_machine.Services.Memory.Layout.Devices[0].Start);
    }

    private void DispiAndMemoryAre(ulong place)
    {
        _machine.Store(place + 12, 0x1234_5678, 4);
        Assert.Equal(0x1234_5678u, _machine.Services.Memory.Layout.Devices[0].ReadWord(12));
    }

    // QEMU docs/specs/standard-vga, "MMIO area spec".
    [Fact]
    public void The_register_page_has_the_same_registers_as_the_ports()
    {
        Assert.Equal(0xb0c5UL, _machine.Load(Registers + 0x500, 2));
        Assert.Equal((ulong)MemoryBytes >> 16, _machine.Load(Registers + 0x500 + 20, 2));
        Assert.Equal(8UL, _machine.Load(Registers + 0x600, 4));
        Assert.Equal(0x1e1e_1e1eUL, _machine.Load(Registers + 0x604, 4));
        _machine.Store(Registers + 0x400 + 4, 0x0f02, 2);                                // sequencer, by index and data at once
        _machine.Out(0x3c4, 2, 1);
        Assert.Equal(0x0fu, _machine.In(0x3c5, 1));
        _machine.Store(Registers + 0x502, 640, 2);
        Assert.Equal(640u, Dispi(1));
    }

    // QEMU docs/specs/standard-vga, "MMIO area spec": an EDID at 0.
    [Fact]
    public void The_register_page_begins_with_an_edid()
    {
        byte[] expected = new byte[0x400], read = new byte[0x400];
        Edid.Write(expected, 1280, 800);
        for (int i = 0; i < read.Length; i++) read[i] = (byte)_machine.Load(Registers + (ulong)i, 1);
        Assert.Equal(expected, read);
        Assert.Equal(0x00ff_ffff_ffff_ff00UL, _machine.Load(Registers, 8));
        // Its last word, and what follows it.
        Assert.Equal((ulong)BitConverter.ToUInt16(expected, 126), _machine.Load(Registers + 126, 4));
        _machine.Store(Registers, 0, 4);
        Assert.Equal(0xffff_ff00UL, _machine.Load(Registers, 4));
    }

    [Theory]
    [InlineData(32, 0xff_1234_56u, 4, 0x1234_56u)]
    [InlineData(24, 0x12_3456u, 3, 0x12_3456u)]
    [InlineData(16, 0xf81fu, 2, 0xff_00ffu)]
    [InlineData(15, 0x03e0u, 2, 0x00_ff00u)]
    [InlineData(8, 0x42u, 1, 0xff_0082u)]
    public void Every_depth_shows_its_colours(int bits, uint pixel, int width, uint colour)
    {
        SetMode(640, 480, (ushort)bits);
        Palette(0x42, 0x3f, 0, 0x20);
        ulong second = Memory + (ulong)((640 + 1) * width);
        for (int i = 0; i < width; i++) _machine.Store(second + (ulong)i, pixel >> (8 * i), 1);

        ScreenFrame frame = Draw();

        Assert.Equal((640, 480), (frame.Width, frame.Height));
        Assert.Equal(0u, frame.Row(1)[0]);
        Assert.Equal(colour, frame.Row(1)[1]);
    }

    // Bochs VBE_DISPI interface 0xb0c5: virtual width, x and y offset.
    [Fact]
    public void A_wider_line_and_an_offset_move_the_picture()
    {
        SetMode(640, 480, 32);
        Dispi(6, 1024);
        Dispi(8, 3);
        Dispi(9, 5);
        _machine.Store(Memory + (((5 * 1024) + 3) * 4), 0xabcdef, 4);

        Assert.Equal(0xabcdefu, Draw().Row(0)[0]);
        Assert.Equal((uint)(MemoryBytes / (1024 * 4)), Dispi(7));
    }

    [Theory]
    [InlineData(5000, 5000, 32)]
    [InlineData(0, 0, 7)]
    [InlineData(65535, 65535, 65535)]
    [InlineData(3840, 2160, 8)]
    public void A_mode_that_does_not_fit_becomes_one_that_does(ushort width, ushort height, ushort bits)
    {
        SetMode(width, height, bits);
        Dispi(6, 65535);
        Dispi(8, 65535);
        Dispi(9, 65535);

        ScreenFrame frame = Draw();

        Assert.InRange(frame.Width, 1, ScreenFrame.MostSide);
        Assert.True(Dispi(2) * Dispi(1) * ((Dispi(3) + 7) / 8) <= MemoryBytes);
    }

    [Fact]
    public void A_kernel_without_firmware_finds_a_picture_in_memory()
    {
        LinearMode mode = _card.SetBootMode()!;
        Assert.Equal((Memory, 1024, 768), (mode.Address, mode.Width, mode.Height));
        _machine.Store(mode.Address + (ulong)mode.LineBytes + 4, 0x445566, 4);
        Assert.Equal(0x445566u, Draw().Row(1)[1]);
    }

    // Bochs VBE_DISPI interface 0xb0c5: the enable register's "get capabilities".
    [Fact]
    public void Capabilities_are_told_where_they_are_asked_for()
    {
        Dispi(4, 2);
        Assert.Equal(3840u, Dispi(1));
        Assert.Equal(2160u, Dispi(2));
        Assert.Equal(32u, Dispi(3));
    }

    // Bochs VBE_DISPI interface 0xb0c5: the enable register's "no clear memory".
    [Fact]
    public void Switching_a_mode_on_clears_memory_unless_told_not_to()
    {
        _machine.Store(Memory, 0xffff_ffff, 4);
        Dispi(1, 640);
        Dispi(2, 480);
        Dispi(3, 32);
        Dispi(4, 0xc1);
        Assert.Equal(0xffff_ffffUL, _machine.Load(Memory, 4));
        SetMode(640, 480, 32);
        Assert.Equal(0UL, _machine.Load(Memory, 4));
    }

    // Bochs VBE_DISPI interface 0xb0c5: the bank register.
    [Fact]
    public void The_bank_moves_the_window_below_1_mib()
    {
        SetMode(640, 480, 32);
        Dispi(5, 3);
        _machine.Store(0xa_0010, 0x55, 1);
        Assert.Equal(0x55UL, _machine.Load(Memory + (3 << 16) + 0x10, 1));
    }

    [Fact]
    public void Text_is_drawn_with_the_font_of_plane_2()
    {
        SetTextMode();
        SetGlyph((byte)'A', 5, 0b1000_0001);
        _machine.Store(0xb_8000 + ((80 + 2) * 2), 'A' | 0x17 << 8, 2);                   // row 1, column 2, light grey on blue

        ScreenFrame frame = Draw();

        Assert.Equal((640, 400), (frame.Width, frame.Height));
        uint[] cell = frame.Row(16 + 5).Slice(16, 8).ToArray();
        Assert.Equal([0xaaaaaau, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaaaaaau], cell);
        Assert.Equal(0xaau, frame.Row(16)[16]);
        Assert.Equal(0u, frame.Row(16)[0]);
        Assert.Equal((ulong)'A', _machine.Load(0xb_8000 + ((80 + 2) * 2), 1));
    }

    // IBM PS/2 Video Subsystem, CRTC registers 0Ah and 0Bh.
    [Fact]
    public void The_cursor_is_drawn_between_its_lines()
    {
        SetTextMode();
        _machine.Store(0xb_8000, 0x0720, 2);
        Set(0x3d4, 0x0a, 14);
        Set(0x3d4, 0x0b, 15);

        ScreenFrame frame = Draw();

        Assert.Equal([0u, 0xaaaaaau, 0xaaaaaau], ((int[])[13, 14, 15]).Select(line => _frame.Row(line)[0]).ToArray());
        Assert.Equal(0u, frame.Row(14)[8]);
    }

    [Fact]
    public void A_screen_that_is_off_is_dark()
    {
        SetTextMode();
        Set(0x3c4, 1, 0x21);
        ScreenFrame frame = Draw();
        Assert.Equal((720, 400), (frame.Width, frame.Height));
        Assert.Equal(-1, frame.Pixels.IndexOfAnyExcept(0u));
    }

    // IBM PS/2 Video Subsystem, graphics mode register (05h), write modes.
    [Theory]
    [InlineData(0, 0x00, 0xff, 0x81, 0x00, 0x81818181u)]                                 // data to all planes
    [InlineData(0, 0x0f, 0xff, 0x81, 0x05, 0x00ff00ffu)]                                 // set and reset
    [InlineData(0, 0x00, 0x0f, 0xff, 0x00, 0x4f3f2f1fu)]                                 // the bit mask keeps the latches' upper half
    [InlineData(1, 0x00, 0xff, 0x81, 0x00, 0x40302010u)]                                 // latches
    [InlineData(2, 0x00, 0xff, 0x09, 0x00, 0xff0000ffu)]                                 // a colour
    [InlineData(3, 0x00, 0xff, 0x0f, 0x06, 0x403f2f10u)]                                 // set and reset through data as a mask
    public void Write_modes_combine_data_with_the_latches(byte mode, byte enable, byte mask, byte data, byte set, uint planes)
    {
        Set(0x3c4, 2, 0x0f);
        Set(0x3c4, 4, 6);
        Set(0x3ce, 6, 5);
        ulong word = 0x40302010;
        for (int i = 0; i < 4; i++) _machine.Store(Memory + 64 + (ulong)i, word >> (8 * i), 1);
        _machine.Load(0xa_0010, 1);
        Set(0x3ce, 5, mode);
        Set(0x3ce, 0, set);
        Set(0x3ce, 1, enable);
        Set(0x3ce, 8, mask);

        _machine.Store(0xa_0010, data, 1);

        Assert.Equal(planes, (uint)_machine.Load(Memory + 64, 4));
    }

    // IBM PS/2 Video Subsystem, graphics mode register (05h), read mode; colour compare (02h) and read map select (04h).
    [Fact]
    public void Read_modes_give_a_plane_or_compare_colours()
    {
        Set(0x3c4, 4, 6);
        Set(0x3ce, 6, 5);
        _machine.Store(Memory, 0x0000_f00f, 4);                                          // plane 0: 0f, plane 1: f0
        Set(0x3ce, 4, 1);
        Assert.Equal(0xf0UL, _machine.Load(0xa_0000, 1));
        Set(0x3ce, 5, 8);
        Set(0x3ce, 2, 1);
        Set(0x3ce, 7, 0x0f);
        Assert.Equal(0x0fUL, _machine.Load(0xa_0000, 1));
    }

    [Fact]
    public void Sixteen_colours_are_drawn_from_four_planes()
    {
        _machine.Out(0x3c2, 0x63, 1);
        foreach ((byte index, byte value) in ((byte, byte)[])[(1, 79), (7, 0x3e), (9, 0x40), (0x12, 0xdf), (0x13, 40)]) Set(0x3d4, index, value);
        Set(0x3c4, 1, 1);
        Set(0x3ce, 6, 5);
        SetAttributes(0x01);
        Palette(5, 0x3f, 0, 0x3f);
        _machine.Store(Memory + (80 * 4), 0x0080_0080, 4);                               // row 1, pixel 0: planes 0 and 2

        ScreenFrame frame = Draw();

        Assert.Equal((640, 480), (frame.Width, frame.Height));
        Assert.Equal(0xff_00ffu, frame.Row(1)[0]);
        Assert.Equal(0u, frame.Row(1)[1]);
    }

    [Fact]
    public void Mode_13_hex_shows_each_byte_as_four_dots()
    {
        _machine.Out(0x3c2, 0x63, 1);
        foreach ((byte index, byte value) in ((byte, byte)[])[(1, 79), (7, 0x1f), (9, 0x41), (0x12, 0x8f), (0x13, 40)]) Set(0x3d4, index, value);
        foreach ((byte index, byte value) in ((byte, byte)[])[(1, 1), (2, 0x0f), (4, 0x0e)]) Set(0x3c4, index, value);
        Set(0x3ce, 5, 0x40);
        Set(0x3ce, 6, 5);
        SetAttributes(0x41);
        Palette(9, 0x3f, 0, 0);
        _machine.Store(0xa_0000 + 320 + 1, 9, 1);

        ScreenFrame frame = Draw();

        Assert.Equal((640, 400), (frame.Width, frame.Height));
        Assert.Equal([0u, 0xff0000u, 0xff0000u, 0u], frame.Row(3).Slice(1, 4).ToArray());
        Assert.Equal(0u, frame.Row(1)[2]);
    }

    // IBM PS/2 Video Subsystem, video DAC: the address increments behind three bytes.
    [Fact]
    public void The_palette_counts_on_through_its_colours()
    {
        Palette(3, 1, 2, 3);
        _machine.Out(0x3c7, 3, 1);
        Assert.Equal([1u, 2, 3], ((int[])[0, 1, 2]).Select(_ => _machine.In(0x3c9, 1)).ToArray());
    }

    // IBM PS/2 Video Subsystem, CRTC register 11h, bit 7.
    [Fact]
    public void The_first_crtc_registers_can_be_protected()
    {
        Set(0x3d4, 0x11, 0x80);
        Set(0x3d4, 1, 79);
        _machine.Out(0x3d4, 1, 1);
        Assert.Equal(0u, _machine.In(0x3d5, 1));
    }

    [Fact]
    public void A_saved_state_comes_back_to_the_same_bytes_and_picture()
    {
        SetTextMode();
        SetGlyph((byte)'A', 5, 0b1000_0001);
        _machine.Store(0xb_8000, 'A' | 0x17 << 8, 2);
        uint[] picture = Draw().Pixels.ToArray();
        byte[] saved = Save(_card);
        _card.Reset();
        Assert.NotEqual(picture.Length, Draw().Pixels.Length);

        _card.Exchange(new StateReader("vga0", saved));

        Assert.Equal(picture, Draw().Pixels.ToArray());
        Assert.Equal(saved, Save(_card));
    }

    private static byte[] Save(VgaCard card)
    {
        StateWriter writer = new("vga0");
        card.Exchange(writer);
        return writer.Body.ToArray();
    }

    [Fact]
    public void Random_accesses_do_no_harm_and_every_mode_can_be_drawn()
    {
        Random random = new(21);
        ushort[] ports = [0x3b4, 0x3b5, 0x3c0, 0x3c1, 0x3c2, 0x3c4, 0x3c5, 0x3c6, 0x3c8, 0x3c9, 0x3ce, 0x3cf, 0x3d4, 0x3d5, 0x3da, 0x1ce, 0x1cf, 0x1d0];
        for (int i = 0; i < 300_000; i++)
        {
            uint value = (uint)random.Next(random.Next(2) == 0 ? 32 : 65536);
            int width = 1 << random.Next(2);
            switch (random.Next(6))
            {
                case 0: _machine.Store(0xa_0000 + (ulong)random.Next(0x1_fffc), value, 1 << random.Next(3)); break;
                case 1: _ = _machine.Load(0xa_0000 + (ulong)random.Next(0x1_fffc), 1 << random.Next(3)); break;
                case 2: _machine.Store(Registers + (ulong)random.Next(0xff8), value, 1 << random.Next(3)); break;
                case 3: _ = _machine.In(ports[random.Next(ports.Length)], width); break;
                default: _machine.Out(ports[random.Next(ports.Length)], value, width); break;
            }
            if (i % 1500 == 0) _ = Draw();
        }
    }
}
