using System;
using System.Collections.Generic;
using Hutch.Core.State;
using Hutch.Devices;
using Hutch.Devices.Pci;
using Hutch.Model.Machine;
using Hutch.Tests.Devices.Virtio;
using Xunit;
using static Hutch.Tests.Devices.Usb.EhciDriver;

namespace Hutch.Tests.Devices.Usb;

/// <summary>The USB 2 controller with its companions, and devices behind them, as drivers see them (EHCI 1.0, UHCI 1.1, USB 2.0, HID 1.11).</summary>
public sealed class EhciTests : IDisposable
{
    private const int TabletPort = 0, SlowPort = 1, KeyboardPort = 2, TabletAddress = 5;

    private readonly TestMachine _machine = new();
    private readonly IDevice _device;
    private readonly EhciDriver _driver;

    public EhciTests()
    {
        EhciConfig config = new("usb", [new UsbDeviceConfig("tablet0", UsbDeviceKind.Tablet), new UsbDeviceConfig("kbd0", UsbDeviceKind.Keyboard) { IsFullSpeed = true }, new UsbDeviceConfig("kbd1", UsbDeviceKind.Keyboard)]);
        _device = DeviceFactories.Create(config, _machine.Services);
        _machine.Pci.AssignResources(0, 0);
        _driver = new EhciDriver(_machine, _machine.ReadConfig(1, 0x7010) & ~15u);
        _device.Start();
    }

    public void Dispose()
    {
        _device.Dispose();
        _machine.Dispose();
    }

    private IAbsolutePointer Tablet => _machine.Services.Input.Tablets[0];

    private IKeyboard Keyboard => _machine.Services.Input.Keyboards[1];

    private bool Line => _machine.Gsi[PciBus.GsiOf(1, 3)];

    // EHCI 1.0 §2.1, §2.2; companions are lower functions of the same slot (§4.2).
    [Fact]
    public void Four_functions_of_a_slot_say_what_they_are()
    {
        for (int function = 0; function < 3; function++)
        {
            Assert.Equal((0x2934_8086u + ((uint)function << 16), 0x0c_0300u, (uint)function + 1),
                (_machine.ReadConfig(1, function << 12), _machine.ReadConfig(1, (function << 12) + 8) >> 8, _machine.ReadConfig(1, (function << 12) + 0x3d, 1)));
        }
        Assert.Equal((0x293a_8086u, 0x0c_0320u, 4u), (_machine.ReadConfig(1, 0x7000), _machine.ReadConfig(1, 0x7008) >> 8, _machine.ReadConfig(1, 0x703d, 1)));
        Assert.Equal((0x80u, 0x2020u), (_machine.ReadConfig(1, 0x0e, 1), _machine.ReadConfig(1, 0x7060, 2)));
        Assert.Equal((0x0100_0020u, 0x3206u, 0u), (_driver.Read(0), _driver.Read(4), _driver.Read(8)));
        // None of them can be pulled out alone.
        Assert.Null(_machine.Pci.Hide(1));
    }

    // EHCI 1.0 §2.3.
    [Fact]
    public void Operational_registers_have_their_reset_values_and_bits()
    {
        Assert.Equal((0x8_0000u, 0x1000u, 0u, 0u, 0u), (_driver.Read(Command), _driver.Read(Status), _driver.Read(Interrupts), _driver.Read(FrameIndex), _driver.Read(ConfigureFlag)));
        _driver.Write(Interrupts, uint.MaxValue);
        _driver.Write(FrameIndex, uint.MaxValue);
        _driver.Write(PeriodicList, uint.MaxValue);
        _driver.Write(AsyncList, uint.MaxValue);
        _driver.Write(0x30, uint.MaxValue);
        Assert.Equal((0x3fu, 0x3fffu, 0xffff_f000u, 0xffff_ffe0u, 0u), (_driver.Read(Interrupts), _driver.Read(FrameIndex), _driver.Read(PeriodicList), _driver.Read(AsyncList), _driver.Read(0x30)));
        _driver.Start();
        Assert.Equal(0xc000u, _driver.Read(Status) & 0xf000);
        _driver.Write(Command, 0x8_0001);
        Assert.Equal(0u, _driver.Read(Status) & 0xf000);
    }

    // EHCI 1.0 §2.3.4, §2.3.2: 8 microframes a frame; the end of the list is told of.
    [Fact]
    public void The_frame_index_is_the_clocks()
    {
        _driver.Write(Command, 0x8_0001);
        _machine.Timers.Advance(2_250_000);
        Assert.Equal(18u, _driver.Read(FrameIndex));
        _driver.Write(Command, 0x8_0000);
        _driver.Pass(3);
        Assert.Equal(18u, _driver.Read(FrameIndex));
        _driver.Write(FrameIndex, 0x3ff8);
        _driver.Write(Interrupts, 8);
        _driver.Write(Command, 0x8_0001);
        Assert.False(Line);
        _driver.Pass(2);
        Assert.Equal((8u, 8u, true), (_driver.Read(FrameIndex), _driver.Read(Status), Line));
    }

    // EHCI 1.0 §4.2, §2.3.9: until a driver has configured the controller the ports are the companions'.
    [Fact]
    public void Ports_are_the_companions_until_the_controller_is_configured()
    {
        Assert.Equal((0x3000u, 0x3000u), (_driver.Read(FirstPort), _driver.Read(FirstPort + 20)));
        UhciDriver first = Companion(0);
        Assert.Equal(0x0093_0093u, first.Read(UhciDriver.FirstPort, 4));
        Assert.Equal(0x0080_0093u, Companion(1).Read(UhciDriver.FirstPort, 4));
        first.Write(UhciDriver.FirstPort, 2);
        _driver.Write(ConfigureFlag, 1);
        // Connected, in the J state, with the change; at the companion nothing is there any more.
        Assert.Equal((0x1803u, 4u), (_driver.Read(FirstPort), _driver.Read(Status) & 4));
        Assert.Equal(0x0082_0082u, first.Read(UhciDriver.FirstPort, 4));
        Assert.Equal(0x1000u, _driver.Read(FirstPort + 20));
        _driver.Write(ConfigureFlag, 0);
        Assert.Equal(0x3002u, _driver.Read(FirstPort));
        Assert.Equal(0x93u, first.Read(UhciDriver.FirstPort));
    }

    // EHCI 1.0 §4.2.2: a reset enables a device at high speed; another one's port is handed over.
    [Fact]
    public void A_slow_device_is_handed_over_to_the_companion()
    {
        _driver.Start();
        Assert.Equal(0x1005u, _driver.ResetPort(TabletPort));
        Assert.Equal(0x1801u, _driver.ResetPort(SlowPort));
        _driver.Write(Status, 0x3f);
        _driver.Write(FirstPort + (4 * SlowPort), 0x2000);
        Assert.Equal((0x3002u, 4u), (_driver.Read(FirstPort + (4 * SlowPort)), _driver.Read(Status) & 4));
        // The drivers of this test share a place in memory.
        _driver.Write(Command, 0x8_0001);
        UhciDriver companion = Companion(0);
        companion.Start();
        companion.Enable(1);
        Assert.Equal(34, companion.Control(0, 0x80, 6, 0x0200, 0, 34));
        // Asked every 8 frames at full speed.
        Assert.Equal(8, companion.Bytes(34)[33]);
        // And back, which disconnects it there.
        _driver.Write(FirstPort + (4 * SlowPort), 2);
        Assert.Equal(0x1803u, _driver.Read(FirstPort + (4 * SlowPort)));
        Assert.Equal(0u, companion.Read(UhciDriver.FirstPort + 2) & 5);
    }

    // UHCI 1.1 §2.1.1: a bus that sleeps wakes when something is plugged in, as when a port is handed over.
    [Fact]
    public void A_companion_that_sleeps_wakes_when_a_port_is_handed_over()
    {
        _driver.Start();
        UhciDriver companion = Companion(0);
        companion.Write(UhciDriver.Command, 0xc8);
        companion.Write(UhciDriver.Interrupts, 2);
        companion.Write(UhciDriver.Status, 0x1f);
        _driver.Write(FirstPort, 0x2000);
        Assert.Equal((0x24u, true), (companion.Read(UhciDriver.Status), _machine.Gsi[PciBus.GsiOf(1, 0)]));
    }

    // EHCI 1.0 §4.10; USB 2.0 §9.4.
    [Fact]
    public void A_device_gets_an_address_and_describes_itself()
    {
        Configure(TabletPort, TabletAddress);
        Assert.Equal(-1, _driver.Control(0, 0x80, 6, 0x0100, 0, 8));
        Assert.Equal(18, _driver.Control(TabletAddress, 0x80, 6, 0x0100, 0, 18));
        Assert.Equal([18, 1, 0, 2], _driver.Bytes(4));
        // Less than there is room for; the endpoint is to be asked every 32 microframes.
        Assert.Equal(34, _driver.Control(TabletAddress, 0x80, 6, 0x0200, 0, 255));
        Assert.Equal([7, 5, 0x81, 3, 8, 0, 6], _driver.Bytes(34)[27..]);
        // Two packets, the first of which lies on two pages.
        int described = _driver.Bytes(34)[25];
        Assert.True(described > 64);
        Assert.Equal(described, _driver.Control(TabletAddress, 0x81, 6, 0x2200, 0, (ushort)described, Data + 0xff9));
        Assert.Equal([0xc0, 0xc0], _driver.Bytes(described, Data + 0xff9)[^2..]);
    }

    // EHCI 1.0 §4.10.2, §4.10.3: a stall halts the queue.
    [Fact]
    public void What_a_device_does_not_know_halts_the_queue()
    {
        Configure(TabletPort, TabletAddress);
        List<uint> transfers = _driver.Begin(TabletAddress, 0x80, 6, 0x0600, 0, 10);
        _driver.Pass(40);
        Assert.Equal((Halted, Halted, Active), (_driver.Token(transfers[1]) & 0xff, _driver.Word(ControlQueue + 24) & 0xff, _driver.Token(transfers[2]) & 0xff));
        Assert.Equal((transfers[1], 2u, true), (_driver.Word(ControlQueue + 12), _driver.Read(Status) & 0x3f, Line));
        _driver.Write(Status, 2);
        Assert.False(Line);
        Assert.Equal(18, _driver.Control(TabletAddress, 0x80, 6, 0x0100, 0, 18));
    }

    // EHCI 1.0 §3.5.3, CERR.
    [Fact]
    public void A_transfer_that_nobody_answers_ends_with_its_third_error()
    {
        Configure(TabletPort, TabletAddress);
        List<uint> transfers = _driver.Begin(99, 0x80, 6, 0x0100, 0, 8);
        _driver.Pass(2);
        Assert.Equal(0u, _driver.Token(transfers[0]) & Halted);
        Assert.Equal(TransactionError | Active | 1u << 10, _driver.Word(ControlQueue + 24) & 0xcff);
        _driver.Pass(1);
        Assert.Equal(TransactionError | Halted, _driver.Token(transfers[0]) & 0xcff);
    }

    // EHCI 1.0 §4.6, §2.3.2: a short packet interrupts; HID 1.11 §6.2.2.
    [Fact]
    public void A_tablet_reports_where_it_is()
    {
        Configure(TabletPort, TabletAddress);
        Assert.True(Tablet.IsUsed);
        // One frame of four, as Linux has it for the interval that the tablet asks for.
        for (int i = 0; i < 1024; i++) _driver.SetEntry(i, i % 4 == 1 ? (uint)InterruptQueue | IsQueue : Terminate);
        uint transfer = _driver.QueueReport(TabletAddress);
        _driver.Pass(200);
        Assert.Equal((Active, 0u), (_driver.Token(transfer) & 0xff, _driver.Read(Status) & 0x3f));
        int looks = 0;
        for (int i = 0; i < 320; i++)
        {
            long deadline = _machine.Timers.Deadline;
            _driver.Pass(1);
            if (_machine.Timers.Deadline != deadline) looks++;
        }
        Assert.Equal(10, looks);
        Tablet.Place(0x1234, 0x7fff, 0, PointerButtons.Left);
        _driver.Pass(5);
        Assert.Equal((2u, 1u, true), (_driver.Token(transfer) >> 16 & 0x7fff, _driver.Read(Status) & 0x3f, Line));
        Assert.Equal((0u, transfer, 0u), (_driver.Token(transfer) & 0xff, _driver.Word(InterruptQueue + 12), _driver.Word(InterruptQueue + 24) & 0xff));
        Assert.Equal([1, 0x34, 0x12, 0xff, 0x7f, 0], _driver.Bytes(6));
        _driver.Write(Interrupts, 0x3e);
        Assert.False(Line);
    }

    [Fact]
    public void A_controller_whose_schedules_are_off_arms_no_timer()
    {
        _driver.Start();
        Assert.True(_machine.Timers.IsArmed);
        _driver.Write(Command, 0x8_0001);
        Assert.False(_machine.Timers.IsArmed);
    }

    // EHCI 1.0 §4.8.2.
    [Fact]
    public void The_doorbell_is_answered()
    {
        _driver.Start();
        _driver.Write(Status, 0x3f);
        Assert.False(Line);
        _driver.Write(Command, 0x8_0071);
        Assert.Equal((0x20u, 0x8_0031u, true), (_driver.Read(Status) & 0x3f, _driver.Read(Command), Line));
    }

    // EHCI 1.0 §2.3.9, resume.
    [Fact]
    public void A_device_wakes_its_port()
    {
        Configure(KeyboardPort, TabletAddress);
        int register = FirstPort + (4 * KeyboardPort);
        _driver.Write(register, _driver.Read(register) | 0x80);
        Assert.Equal(-1, _driver.Control(TabletAddress, 0x80, 6, 0x0100, 0, 18));
        _driver.Write(Status, 0x3f);
        Keyboard.Press(0x1e, true);
        Assert.Equal((0x10c5u, 4u, true), (_driver.Read(register), _driver.Read(Status) & 0x3f, Line));
        _driver.Write(register, _driver.Read(register) & ~0x40u);
        Assert.Equal(0x1005u, _driver.Read(register));
        uint transfer = _driver.QueueReport(TabletAddress);
        _driver.Pass(40);
        Assert.Equal(0u, _driver.Token(transfer) & Active);
    }

    // EHCI 1.0 §3.3, §3.4: nobody has isochronous endpoints. §3.1: other links lead on.
    [Fact]
    public void Isochronous_transfers_end_with_an_error()
    {
        _driver.Start();
        const ulong itd = 0x10_8000, sitd = 0x10_8040;
        _machine.Memory.TryWrite(itd, (uint)sitd | 4);
        _machine.Memory.TryWrite(itd + 4 + (3 * 4), (1u << 31) | (100 << 16) | (1 << 15) | 0x123);
        _machine.Memory.TryWrite(sitd, Terminate);
        _machine.Memory.TryWrite(sitd + 12, (1u << 31) | (100 << 16) | 0x80);
        for (int i = 0; i < 1024; i++) _driver.SetEntry(i, (uint)itd);
        _driver.Pass(40);
        Assert.Equal(((1u << 28) | (1 << 15) | 0x123, (1u << 31) | (100 << 16) | 8u), (_driver.Word(itd + 16), _driver.Word(sitd + 12)));
        Assert.Equal(3u, _driver.Read(Status) & 3);
    }

    // EHCI 1.0 §2.3.2, host system error.
    [Theory]
    [InlineData(PeriodicList, 0xf000_0000u)]
    [InlineData(AsyncList, 0xf000_0000u)]
    public void What_is_not_memory_halts_the_controller(int register, uint address)
    {
        _driver.Start();
        _driver.Write(register, address);
        _driver.Pass(40);
        Assert.Equal((0x1010u, 0u, true), (_driver.Read(Status) & 0x1010, _driver.Read(Command) & 1, Line));
        Configure(TabletPort, TabletAddress);
    }

    [Fact]
    public void Rings_without_an_end_give_the_timer_back()
    {
        Configure(TabletPort, TabletAddress);
        uint transfer = _driver.QueueReport(TabletAddress);
        _machine.Memory.TryWrite(InterruptQueue, (uint)InterruptQueue | IsQueue);
        _driver.SetQueue(Head, (uint)InterruptQueue | IsQueue, 0, 0, 64, Terminate, isHead: true);
        _driver.Pass(100);
        // A transfer that leads to itself, and one whose packets have no bytes.
        _machine.Memory.TryWrite(transfer, transfer);
        _driver.SetQueue(ControlQueue, (uint)ControlQueue | IsQueue, TabletAddress, 1, 0, transfer);
        _driver.Write(AsyncList, (uint)ControlQueue);
        _driver.Pass(100);
        Assert.Equal(Halted | BufferError, _driver.Token(transfer) & 0xff);
        Configure(TabletPort, TabletAddress);
    }

    [Fact]
    public void A_saved_controller_goes_on_where_it_was()
    {
        Configure(TabletPort, TabletAddress);
        uint transfer = _driver.QueueReport(TabletAddress);
        _driver.Pass(20);
        byte[] state = Save(), memory = new byte[0x1_0000];
        _machine.Memory.TryCopyOut(0x10_0000, memory);
        Tablet.Place(9, 9, 0, PointerButtons.None);
        _driver.Pass(20);
        _device.Reset();
        Assert.Equal(0x3000u, _driver.Read(FirstPort));
        _machine.Memory.TryCopyIn(0x10_0000, memory);
        _device.Exchange(new StateReader("usb", state));
        Assert.Equal(state, Save());
        _device.Start();
        Tablet.Place(3, 4, 0, PointerButtons.Left);
        _driver.Pass(20);
        Assert.Equal(0u, _driver.Token(transfer) & Active);
        Assert.Equal([1, 3, 0, 4, 0, 0], _driver.Bytes(6));
    }

    [Fact]
    public void A_damaged_state_is_refused()
    {
        Configure(TabletPort, TabletAddress);
        byte[] state = Save();
        Random random = new(4);
        for (int i = 0; i < 2000; i++)
        {
            byte[] damaged = (byte[])state.Clone();
            damaged[random.Next(damaged.Length)] = (byte)random.Next(256);
            try
            {
                _device.Exchange(new StateReader("usb", damaged));
                _device.Start();
                _driver.Pass(1);
                Tablet.Place(i, i, 0, PointerButtons.None);
            }
            catch (StateException)
            {
                // What a damaged state may lead to.
            }
        }
        _device.Reset();
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void Random_accesses_and_random_schedules_leave_a_controller_that_works(int seed)
    {
        Random random = new(seed);
        byte[] noise = new byte[0x1_0000];
        for (int i = 0; i < 100_000; i++)
        {
            if (i % 2000 == 0)
            {
                _driver.Start();
                // Small numbers make more of what is sound.
                for (int at = 0; at < noise.Length; at++) noise[at] = (byte)(random.Next(3) == 0 ? random.Next(256) : random.Next(16));
                _machine.Memory.TryCopyIn(0x10_4000, noise.AsSpan(0x4000));
                for (int port = 0; port < 3; port++) _driver.ResetPort(port);
            }
            ulong value = random.Next(4) switch { 0 => (ulong)random.NextInt64(), 1 => 0x10_0000u + (uint)random.Next(0x1_0000), _ => (ulong)random.Next(64) };
            switch (random.Next(4))
            {
                case 0: _driver.Write(0x20 + (4 * random.Next(24)), (uint)value); break;
                case 1: _machine.Memory.TryWrite(0x10_1000 + ((ulong)random.Next(0x400) * 4), (uint)value); break;
                case 2: Tablet.Place(i & 0x7fff, 0, 0, PointerButtons.None); break;
                default: _driver.Pass(1); break;
            }
        }
        Configure(TabletPort, TabletAddress);
    }

    private UhciDriver Companion(int number) => new(_machine, (ushort)(_machine.ReadConfig(1, (number << 12) + 0x20) & ~3u));

    private void Configure(int port, int address)
    {
        _driver.Start();
        Assert.Equal(0x1005u, _driver.ResetPort(port));
        Assert.Equal(0, _driver.Control(0, 0x00, 5, (ushort)address, 0, 0));
        Assert.Equal(0, _driver.Control(address, 0x00, 9, 1, 0, 0));
        _driver.Write(Status, 0x3f);
    }

    private byte[] Save()
    {
        StateWriter writer = new("usb");
        _device.Exchange(writer);
        return writer.Body.ToArray();
    }
}
