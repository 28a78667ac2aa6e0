using System;
using System.Collections.Generic;
using System.Text;
using Hutch.Devices;
using Hutch.Devices.Serial;
using Hutch.Host.Events;
using Hutch.Model.Machine;
using Hutch.Tests.Devices.Chipset;
using Xunit;

namespace Hutch.Tests.Devices.Serial;

/// <summary>The UART (National Semiconductor PC16550D data sheet, §8).</summary>
public sealed class Uart16550Tests : IDisposable
{
    private const int Data = 0, Ier = 1, Iir = 2, Lcr = 3, Mcr = 4, Lsr = 5, Msr = 6, Scr = 7;

    private readonly FakeChannel _channel = new();
    private readonly RecordingWire _wire = new();
    private readonly Uart16550 _uart;

    public Uart16550Tests()
    {
        _uart = new Uart16550("serial0", _wire.Line, _channel);
        _uart.WriteRegister(4, 0x02);           // RTS: the line is open for input
        _uart.Start();
    }

    public void Dispose()
    {
        _uart.Dispose();
        _channel.Dispose();
    }

    // PC16550D, table I (reset), §8.7 and §8.8: the upper bits of IER and MCR are always zero.
    [Fact]
    public void A_reset_leaves_no_interrupts_and_reserved_bits_are_zero()
    {
        Write(Ier, 0xff);
        Write(Mcr, 0xff);
        Write(Lcr, 0x1b);
        Assert.Equal((0x0f, 0x1f, 0x1b), (Read(Ier), Read(Mcr), Read(Lcr)));
        _uart.Reset();
        Assert.Equal((0, 0x01, 0, 0, 0x60), (Read(Ier), Read(Iir), Read(Lcr), Read(Mcr), Read(Lsr)));
        Assert.Equal(0, Read(Msr) & 0x0f);
        Assert.False(_wire.Level);
    }

    // PC16550D §8.4: THRE and TEMT.
    [Fact]
    public void Written_bytes_leave_in_order_and_the_transmitter_is_ready_again()
    {
        foreach (byte value in "hello"u8)
        {
            Assert.Equal(0x60, Read(Lsr) & 0x60);
            Write(Data, value);
        }

        Assert.Equal("hello", _channel.Sent);
    }

    // PC16550D §8.1: DLAB.
    [Fact]
    public void Divisor_latch_hides_data_and_interrupt_enable()
    {
        Write(Lcr, 0x83);
        Write(Data, 0x0c);
        Write(Ier, 0x01);
        Assert.Equal([0x0c, 0x01], [Read(Data), Read(Ier)]);
        Write(Lcr, 0x03);

        Assert.Equal(0, Read(Ier));
        Assert.Equal("", _channel.Sent);
    }

    // PC16550D §8.10.
    [Fact]
    public void Scratch_register_is_memory()
    {
        Write(Scr, 0x5a);

        Assert.Equal(0x5a, Read(Scr));
    }

    // PC16550D §8.6, bits 6 and 7; §8.5, FCR0.
    [Fact]
    public void Fifo_bits_show_a_16550a()
    {
        Assert.Equal(0x01, Read(Iir));
        Write(Iir, 0x01);

        Assert.Equal(0xc1, Read(Iir));
    }

    // PC16550D §8.7, §8.6 with table IV.
    [Fact]
    public void Enabling_the_transmit_interrupt_raises_it_and_identifying_clears_it()
    {
        Write(Ier, 0x02);
        Assert.True(_wire.Level);
        Assert.Equal(0x02, Read(Iir));

        Assert.False(_wire.Level);
        Assert.Equal(0x01, Read(Iir));
    }

    // PC16550D §8.6, table IV.
    [Fact]
    public void Each_written_byte_raises_the_transmit_interrupt_anew()
    {
        Write(Ier, 0x02);
        int rises = _wire.Rises;
        Write(Data, 1);
        Write(Data, 2);

        Assert.Equal(rises + 2, _wire.Rises);
    }

    // PC16550D §8.4: DR.
    [Fact]
    public void Without_the_fifo_one_byte_is_taken_at_a_time()
    {
        Assert.Equal(1, _channel.Offer("ab"u8));
        Assert.Equal(0, _channel.Offer("b"u8));
        Assert.Equal(0x61, Read(Lsr));
        Assert.Equal((byte)'a', Read(Data));

        Assert.Equal(0x60, Read(Lsr));
        Assert.Equal(1, _channel.Resumes);
    }

    // PC16550D §8.5.
    [Fact]
    public void With_the_fifo_sixteen_bytes_are_taken_and_the_rest_is_asked_for_when_it_is_empty()
    {
        Write(Iir, 0x01);
        Assert.Equal(16, _channel.Offer("0123456789abcdefXYZ"u8));
        StringBuilder read = new();
        while ((Read(Lsr) & 1) != 0) read.Append((char)Read(Data));

        Assert.Equal("0123456789abcdef", read.ToString());
        Assert.Equal(1, _channel.Resumes);
    }

    // PC16550D §8.5 (trigger level), §8.6 with table IV (time-out).
    [Theory]
    [InlineData(0x01, 1)]
    [InlineData(0x41, 4)]
    [InlineData(0x81, 8)]
    [InlineData(0xc1, 14)]
    public void Receive_interrupt_tells_the_trigger_level_from_the_time_out(byte fifoControl, int level)
    {
        Write(Iir, fifoControl);
        Write(Ier, 0x01);
        for (int i = 0; i < level; i++) _channel.Offer("x"u8);
        Assert.True(_wire.Level);
        Assert.Equal(0xc4, Read(Iir));
        for (int i = 1; i < level; i++)
        {
            Read(Data);
            Assert.Equal(0xcc, Read(Iir));
        }
        Read(Data);

        Assert.Equal(0xc1, Read(Iir));
        Assert.False(_wire.Level);
    }

    // PC16550D §8.6, table IV: priorities.
    [Fact]
    public void Receive_goes_before_transmit()
    {
        Write(Ier, 0x03);
        _channel.Offer("x"u8);
        Assert.Equal(0x04, Read(Iir));
        Read(Data);

        Assert.Equal(0x02, Read(Iir));
    }

    // PC16550D §8.5: FCR1.
    [Fact]
    public void Clearing_the_receive_fifo_drops_its_bytes()
    {
        Write(Iir, 0x01);
        _channel.Offer("abc"u8);
        Write(Iir, 0x03);

        Assert.Equal(0x60, Read(Lsr));
    }

    // PC16550D §8.8: LOOP.
    [Fact]
    public void Loopback_returns_bytes_and_modem_lines_and_keeps_the_wire_quiet()
    {
        Write(Mcr, 0x1b);
        Assert.Equal(0x20 | 0x10 | 0x80, Read(Msr) & 0xf0);
        Write(Data, 0x42);
        Assert.Equal(0x42, Read(Data));
        Write(Mcr, 0x10);
        Assert.Equal(0x0b, Read(Msr));
        Assert.Equal(0x00, Read(Msr));

        Assert.Equal("", _channel.Sent);
    }

    // PC16550D §8.4: OE; §8.6, table IV.
    [Fact]
    public void Overrun_in_loopback_is_a_line_status_interrupt_that_reading_ends()
    {
        Write(Ier, 0x04);
        Write(Mcr, 0x10);
        Write(Data, 1);
        Write(Data, 2);
        Assert.Equal(0x06, Read(Iir));
        Assert.Equal(0x02, Read(Lsr) & 0x02);

        Assert.Equal(0x01, Read(Iir));
    }

    // PC16550D §8.9.
    [Fact]
    public void Modem_lines_of_a_connected_peer_are_up_without_deltas()
    {
        Assert.Equal(0xb0, Read(Msr));
    }

    [Fact]
    public void Reset_drops_input_and_lowers_the_wire()
    {
        Write(Ier, 0x03);
        _channel.Offer("x"u8);
        _uart.Reset();

        Assert.False(_wire.Level);
        Assert.Equal(0x60, Read(Lsr));
    }

    [Fact]
    public void Random_accesses_do_no_harm()
    {
        byte[] input = new byte[64];
        RandomAccesses.Run(_uart, 8, seed: 6, () => _channel.Offer(input));
    }

    [Theory]
    [InlineData(1, 0x3f8)]
    [InlineData(2, 0x2f8)]
    [InlineData(3, 0x3e8)]
    [InlineData(4, 0x2e8)]
    public void Factory_puts_each_port_in_its_place(int number, ushort port)
    {
        using FakeMachine machine = new(_ => _channel);
        using IDevice device = DeviceFactories.Create(new SerialConfig("com", number, new CharacterBackend(CharacterBackendKind.None)), machine.Services);
        machine.Out((ushort)(port + Scr), 0x77);
        Assert.Equal(0x77, machine.In((ushort)(port + Scr)));
        machine.Out(port, (byte)'!');

        Assert.Equal("!", _channel.Sent);
    }

    [Fact]
    public void Factory_refuses_ports_that_are_taken_or_do_not_exist()
    {
        using FakeMachine machine = new(_ => _channel);
        CharacterBackend none = new(CharacterBackendKind.None);
        using IDevice first = DeviceFactories.Create(new SerialConfig("a", 1, none), machine.Services);

        Assert.Throws<ConfigException>(() => DeviceFactories.Create(new SerialConfig("b", 1, none), machine.Services));
        Assert.Throws<ConfigException>(() => DeviceFactories.Create(new SerialConfig("c", 5, none), machine.Services));
    }

    private byte Read(int register) => _uart.ReadRegister(register);

    private void Write(int register, byte value) => _uart.WriteRegister(register, value);

    private sealed class FakeChannel : ICharacterChannel
    {
        private readonly List<byte> _sent = [];
        private ReceiveBytes? _receive;

        public string Sent => Encoding.ASCII.GetString([.. _sent]);

        public int Resumes { get; private set; }

        public int Offer(ReadOnlySpan<byte> data) => _receive!(data);

        public void Write(ReadOnlySpan<byte> data)
        {
            if (_sent.Count < 1000) _sent.AddRange(data);
        }

        public void StartInput(ReceiveBytes receive) => _receive = receive;

        public void ResumeInput() => Resumes++;

        public void Dispose() { }
    }
}
