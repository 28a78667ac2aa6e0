using System;
using System.Collections.Generic;
using Hutch.Core.State;
using Hutch.Devices;
using Hutch.Devices.Pci;
using Hutch.Model.Machine;
using Hutch.Tests.Devices.Virtio;
using Xunit;
using static Hutch.Tests.Devices.Usb.UhciDriver;

namespace Hutch.Tests.Devices.Usb;

/// <summary>The USB 1 controller and devices behind it, as a driver sees them (UHCI 1.1, USB 2.0, HID 1.11).</summary>
public sealed class UhciTests : IDisposable
{
    private const int TabletPort = 0, KeyboardPort = 1, TabletAddress = 5, KeyboardAddress = 6;
    private const uint Stalled = 1 << 22, NotAcknowledged = 1 << 19, CrcTimeout = 1 << 18;

    private readonly TestMachine _machine = new();
    private readonly IDevice _device;
    private readonly UhciDriver _driver;

    public UhciTests()
    {
        _device = Make(_machine, UhciModel.Ich9);
        _driver = new UhciDriver(_machine, (ushort)(_machine.ReadConfig(1, 0x20) & ~3u));
        _driver.Start();
        _device.Start();
    }

    public void Dispose()
    {
        _device.Dispose();
        _machine.Dispose();
    }

    private IAbsolutePointer Tablet => _machine.Services.Input.Tablets[0];

    private IKeyboard Keyboard => _machine.Services.Input.Keyboards[0];

    private bool Line => _machine.Gsi[PciBus.GsiOf(1, 0)];

    private static IDevice Make(TestMachine machine, UhciModel model)
    {
        UhciConfig config = new("usb", model, [new UsbDeviceConfig("tablet0", UsbDeviceKind.Tablet), new UsbDeviceConfig("kbd0", UsbDeviceKind.Keyboard)]);
        IDevice device = DeviceFactories.Create(config, machine.Services);
        machine.Pci.AssignResources(0, 0);
        return device;
    }

    // UHCI 1.1 §2.1, §5.1, §5.2.
    [Fact]
    public void Registers_have_their_reset_values()
    {
        Assert.Equal((0x2934_8086u, 0x0c_0300u), (_machine.ReadConfig(1, 0), _machine.ReadConfig(1, 8) >> 8));
        Assert.Equal((0x10u, 0x2000u, 1u), (_machine.ReadConfig(1, 0x60, 1), _machine.ReadConfig(1, 0xc0, 2), _machine.ReadConfig(1, 0x3d, 1)));
        _driver.Write(Command, 2);
        Assert.Equal((0u, 0x20u, 0u, 0u), (_driver.Read(Command), _driver.Read(Status), _driver.Read(Interrupts), _driver.Read(Frame)));
        Assert.Equal((0u, 64u), (_driver.Read(ListAddress, 4), _driver.Read(FrameLength, 1)));
        // Connected at full speed, with the change; behind the ports nothing says that it is one (bit 7).
        Assert.Equal((0x0093_0093u, 0u), (_driver.Read(FirstPort, 4), _driver.Read(FirstPort + 4) & 0x80));
    }

    // UHCI 1.1 §2.1.
    [Fact]
    public void Registers_keep_what_they_have_bits_for()
    {
        _driver.Write(Command, 2);
        _driver.Write(ListAddress, 0xffff_ffff, 4);
        _driver.Write(Interrupts, 0xffff);
        _driver.Write(Frame, 0xffff);
        _driver.Write(FrameLength, 0xff, 1);
        Assert.Equal((0xffff_f000u, 0xfu, 0x7ffu, 0x7fu), (_driver.Read(ListAddress, 4), _driver.Read(Interrupts), _driver.Read(Frame), _driver.Read(FrameLength, 1)));
        // By bytes: the upper one takes no change of a port away, the lower one does.
        _driver.Write(FirstPort + 1, 0, 1);
        Assert.Equal(0x93u, _driver.Read(FirstPort));
        _driver.Write(FirstPort, 2, 1);
        Assert.Equal(0x91u, _driver.Read(FirstPort));
    }

    // UHCI 1.1 §2.1.4: software writes it while the controller stands; it counts to 2047.
    [Fact]
    public void The_frame_number_is_the_clocks()
    {
        uint before = _driver.Read(Frame);
        _machine.Timers.Advance(5_400_000);
        Assert.Equal(before + 5, _driver.Read(Frame));
        _driver.Write(Frame, 9);
        Assert.Equal((before + 5, 0u), (_driver.Read(Frame), _driver.Read(Status) & 0x20));
        _driver.Write(Command, 0xc0);
        _driver.Pass(7);
        Assert.Equal((before + 5, 0x20u), (_driver.Read(Frame), _driver.Read(Status)));
        _driver.Write(Frame, 0x7fe);
        _driver.Write(Command, 0xc1);
        _driver.Pass(3);
        Assert.Equal(1u, _driver.Read(Frame));
    }

    // UHCI 1.1 §2.1.7: a port that is being reset, or is empty, cannot be enabled.
    [Fact]
    public void A_port_is_enabled_when_its_reset_is_over()
    {
        _driver.Write(FirstPort, 0x206);
        Assert.Equal(0x281u, _driver.Read(FirstPort));
        _driver.Write(FirstPort, 0);
        _driver.Write(FirstPort, 4);
        Assert.Equal(0x95u, _driver.Read(FirstPort));
        _driver.Write(FirstPort, 0x1004);
        Assert.Equal(0x1095u, _driver.Read(FirstPort));
    }

    // USB 2.0 §9.4.6, §9.6: the address counts from the end of the transfer that sets it.
    [Fact]
    public void A_device_gets_an_address_and_describes_itself()
    {
        _driver.Enable(TabletPort);
        Assert.Equal(8, _driver.Control(0, 0x80, 6, 0x0100, 0, 8));
        Assert.Equal(0, _driver.Control(0, 0x00, 5, TabletAddress, 0, 0));
        Assert.Equal(-1, _driver.Control(0, 0x80, 6, 0x0100, 0, 8));
        Assert.Equal(18, _driver.Control(TabletAddress, 0x80, 6, 0x0100, 0, 18));
        Assert.Equal([18, 1, 0, 2], _driver.Bytes(4));
        // Less than there is room for; the endpoint is to be asked every 8 frames.
        Assert.Equal(34, _driver.Control(TabletAddress, 0x80, 6, 0x0200, 0, 255));
        Assert.Equal([7, 5, 0x81, 3, 8, 0, 8], _driver.Bytes(34)[27..]);
        // In more packets than one.
        int described = _driver.Bytes(34)[25];
        Assert.True(described > 64);
        Assert.Equal(described, _driver.Control(TabletAddress, 0x81, 6, 0x2200, 0, (ushort)described));
        Assert.Equal([0xc0, 0xc0], _driver.Bytes(described)[^2..]);
    }

    // USB 2.0 §8.5.3.4; UHCI 1.1 §3.2.2: a stall ends the transfer, and the queue stays where it is.
    [Fact]
    public void What_a_device_does_not_know_stalls_until_the_next_setup()
    {
        Configure(TabletPort, TabletAddress);
        List<uint> transfers = _driver.Begin(TabletAddress, 0x80, 6, 0x0600, 0, 10);
        _driver.Pass(40);
        Assert.Equal((Stalled, transfers[1] | DepthFirst), (_driver.StatusOf(transfers[1]) & (Stalled | Active | CrcTimeout), _driver.Element(ControlQueue)));
        Assert.Equal((2u, true), (_driver.Read(Status) & 2, Line));
        _driver.Write(Status, 2);
        Assert.Equal((0u, false), (_driver.Read(Status), Line));
        Assert.Equal(18, _driver.Control(TabletAddress, 0x80, 6, 0x0100, 0, 18));
    }

    // UHCI 1.1 §3.2.2: the counter of errors; nobody has the address.
    [Fact]
    public void A_transfer_that_nobody_answers_ends_with_its_third_error()
    {
        uint transfer = _driver.SetTransfer(0, In, 99, 1, 8, Data, Active | ThreeErrors);
        uint patient = _driver.SetTransfer(1, In, 99, 1, 8, Data, Active);
        _driver.SetQueue(InterruptQueue, (uint)ControlQueue | Queue, transfer);
        _driver.SetQueue(ControlQueue, Terminate, patient);
        _driver.Write(Command, 0);
        _driver.Write(Command, 1);
        // The first look is at the end of the second frame.
        _driver.Pass(1);
        Assert.Equal(Active | CrcTimeout | 1u << 27, _driver.StatusOf(transfer));
        _driver.Pass(1);
        Assert.Equal(Stalled | CrcTimeout | 0x7ffu, _driver.StatusOf(transfer));
        _driver.Pass(100);
        Assert.Equal(Active | CrcTimeout, _driver.StatusOf(patient));
        Assert.Equal(2u, _driver.Read(Status));
    }

    // UHCI 1.1 §3.2.2, §3.4.2; HID 1.11 §6.2.2.
    [Fact]
    public void A_tablet_reports_where_it_is()
    {
        Configure(TabletPort, TabletAddress);
        Assert.True(Tablet.IsUsed);
        uint transfer = QueueReport(TabletAddress, OnCompletion);
        _driver.Pass(50);
        Assert.Equal(Active | NotAcknowledged | ThreeErrors | OnCompletion, _driver.StatusOf(transfer));
        Assert.False(Line);
        Tablet.Place(0x1234, 0x7fff, 0, PointerButtons.Left);
        _driver.Pass(1);
        // Six bytes, and the queue is at its end.
        Assert.Equal((ThreeErrors | OnCompletion | 5, Terminate), (_driver.StatusOf(transfer), _driver.Element(InterruptQueue)));
        Assert.Equal([1, 0x34, 0x12, 0xff, 0x7f, 0], _driver.Bytes(6));
        Assert.Equal((1u, true), (_driver.Read(Status), Line));
        // The interrupt is one of completion (§2.1.3), and the pin is off where the legacy register says so (§5.2.1).
        _driver.Write(Interrupts, 0xb);
        Assert.False(Line);
        _driver.Write(Interrupts, 4);
        Assert.True(Line);
        _machine.WriteConfig(1, 0xc0, 0, 2);
        Assert.False(Line);
        _machine.WriteConfig(1, 0xc0, 0x2000, 2);
        _driver.Write(Status, 1);
        Assert.Equal((0u, false), (_driver.Read(Status), Line));
    }

    // UHCI 1.1 §3.2.2, SPD: the queue waits where a packet was short, and the guest is told.
    [Fact]
    public void A_short_packet_can_hold_its_queue_up()
    {
        Configure(TabletPort, TabletAddress);
        uint transfer = QueueReport(TabletAddress, ShortDetect);
        Tablet.Place(1, 1, 0, PointerButtons.None);
        _driver.Pass(1);
        Assert.Equal((0u, transfer), (_driver.StatusOf(transfer) & Active, _driver.Element(InterruptQueue)));
        Assert.True(Line);
        _driver.Write(Interrupts, 7);
        Assert.False(Line);
        _driver.Write(Interrupts, 8);
        Assert.True(Line);
    }

    // UHCI 1.1 §3.2.2, IOC: also where there is nothing to do any more. Linux learns so that a frame has passed.
    [Fact]
    public void A_transfer_that_is_not_active_interrupts_if_it_wants_to()
    {
        _driver.SetQueue(InterruptQueue, Terminate, _driver.SetTransfer(0, In, 0, 0, 8, Data, 0));
        _driver.Pass(100);
        Assert.False(Line);
        _driver.SetQueue(InterruptQueue, Terminate, _driver.SetTransfer(0, In, 0, 0, 8, Data, OnCompletion));
        _driver.Pass(32);
        Assert.Equal((1u, true), (_driver.Read(Status), Line));
    }

    // UHCI 1.1 §3.4.2.2: breadth first takes one transfer of a queue in a frame, depth first goes on.
    [Theory]
    [InlineData(0u, 1)]
    [InlineData(DepthFirst, 0)]
    public void A_queue_goes_on_as_its_links_say(uint order, int waiting)
    {
        Configure(TabletPort, TabletAddress);
        for (uint i = 0; i < 2; i++) Tablet.Place(1, 1, 0, i == 0 ? PointerButtons.Left : PointerButtons.None);
        _driver.Pass(100);
        uint first = _driver.SetTransfer(0, In, TabletAddress, 1, 8, Data, Active | ThreeErrors), second = _driver.SetTransfer(1, In, TabletAddress, 1, 8, Data + 8, Active | ThreeErrors);
        _driver.Link(first, second | order);
        // Only one frame leads there.
        for (int i = 0; i < 1024; i++) _driver.SetEntry(i, Terminate);
        _driver.SetEntry((int)_driver.Read(Frame) + 5 & 0x3ff, (uint)InterruptQueue | Queue);
        _driver.SetQueue(InterruptQueue, Terminate, first);
        _driver.Pass(100);
        Assert.Equal(0u, _driver.StatusOf(first) & Active);
        Assert.Equal(waiting == 1, (_driver.StatusOf(second) & Active) != 0);
        Assert.Equal(waiting == 1 ? second | order : Terminate, _driver.Element(InterruptQueue));
    }

    [Fact]
    public void While_nobody_has_anything_to_say_the_schedule_is_looked_at_seldom_and_no_frame_is_missed()
    {
        Configure(TabletPort, TabletAddress);
        // One frame of eight, as Linux has it for the interval that the tablet asks for.
        for (int i = 0; i < 1024; i++) _driver.SetEntry(i, i % 8 == 3 ? (uint)InterruptQueue | Queue : (uint)ControlQueue | Queue);
        uint transfer = QueueReport(TabletAddress, OnCompletion);
        _driver.Pass(200);
        int looks = 0;
        for (int i = 0; i < 320; i++)
        {
            long deadline = _machine.Timers.Deadline;
            _driver.Pass(1);
            if (_machine.Timers.Deadline != deadline) looks++;
        }
        Assert.Equal(10, looks);
        Tablet.Place(1, 1, 0, PointerButtons.None);
        _driver.Pass(9);
        Assert.Equal(0u, _driver.StatusOf(transfer) & Active);
        // What the guest queues meanwhile is found too.
        Assert.Equal(18, _driver.Control(TabletAddress, 0x80, 6, 0x0100, 0, 18));
    }

    // HID 1.11 §7.2, appendix B.1.
    [Fact]
    public void A_keyboard_reports_keys_and_takes_lights()
    {
        Configure(KeyboardPort, KeyboardAddress);
        Keyboard.Press(0x1e, true);
        Keyboard.Press(0x1e, false);
        List<string> reports = [];
        for (int i = 0; i < 2; i++)
        {
            QueueReport(KeyboardAddress, OnCompletion);
            _driver.Pass(40);
            reports.Add(Convert.ToHexString(_driver.Bytes(8)));
        }
        Assert.Equal(["0000040000000000", "0000000000000000"], reports);
        _machine.Memory.TryWrite(Data, (byte)2);
        Assert.Equal(1, _driver.Control(KeyboardAddress, 0x21, 9, 0x0200, 0, 1));
        Assert.True(Keyboard.HasCapsLock);
    }

    // UHCI 1.1 §2.1.1, §2.1.2: a bus that sleeps is woken by a device.
    [Fact]
    public void A_device_wakes_a_bus_that_sleeps()
    {
        Configure(KeyboardPort, KeyboardAddress);
        _driver.Write(FirstPort + 2, 0x1004);
        _driver.Write(Command, 0xc8);
        _driver.Write(Interrupts, 2);
        Assert.Equal(0x20u, _driver.Read(Status));
        Keyboard.Press(0x1e, true);
        Assert.Equal((0x24u, 0xd8u, 0x40u, true), (_driver.Read(Status), _driver.Read(Command), _driver.Read(FirstPort + 2) & 0x40, Line));
        _driver.Write(FirstPort + 2, 4);
        _driver.Write(Status, 4);
        _driver.Write(Command, 0xc1);
        uint transfer = QueueReport(KeyboardAddress, OnCompletion);
        _driver.Pass(2);
        Assert.Equal(0u, _driver.StatusOf(transfer) & Active);
    }

    // UHCI 1.1 §2.1.2: host system error, host controller process error.
    [Theory]
    [InlineData(0xf000_0000u, 0u, 8u)]
    [InlineData(0u, 0x10u, 0x10u)]
    [InlineData(0u, 0x600u << 21, 0x10u)]
    public void What_cannot_be_halts_the_controller(uint link, uint token, uint error)
    {
        uint transfer = _driver.SetTransfer(0, In, 0, 0, 8, Data, Active);
        if (token != 0) _machine.Memory.TryWrite(transfer + 8, token | (token < 0x100 ? 0u : In));
        for (int i = 0; i < 1024; i++) _driver.SetEntry(i, link != 0 ? link : transfer);
        _driver.Pass(40);
        Assert.Equal((0x20u | error, 0u, true), (_driver.Read(Status), _driver.Read(Command) & 1, Line));
        _driver.Start();
        Configure(TabletPort, TabletAddress);
    }

    [Fact]
    public void Rings_without_an_end_give_the_timer_back()
    {
        Configure(TabletPort, TabletAddress);
        // A transfer that leads to itself, waits, and does so outside a queue; a queue that leads to itself; two that lead to each other.
        uint transfer = _driver.SetTransfer(0, In, TabletAddress, 1, 8, Data, Active | ThreeErrors);
        _driver.Link(transfer, transfer);
        _driver.SetEntry((int)_driver.Read(Frame) + 1 & 0x3ff, transfer);
        _driver.SetQueue(InterruptQueue, (uint)InterruptQueue | Queue, Terminate);
        _driver.Pass(100);
        _driver.SetQueue(InterruptQueue, (uint)ControlQueue | Queue, Terminate);
        _driver.SetQueue(ControlQueue, (uint)InterruptQueue | Queue, transfer);
        _driver.Pass(100);
        _driver.SetQueue(ControlQueue, Terminate, Terminate);
        _driver.SetEntry((int)_driver.Read(Frame) & 0x3ff, (uint)InterruptQueue | Queue);
        Assert.Equal(18, _driver.Control(TabletAddress, 0x80, 6, 0x0100, 0, 18));
    }

    [Fact]
    public void A_saved_controller_goes_on_where_it_was()
    {
        Configure(TabletPort, TabletAddress);
        List<uint> transfers = _driver.Begin(TabletAddress, 0x80, 6, 0x0302, 0x0409, 255);
        // Breadth first: after a frame the transfer is in its middle.
        for (int i = 0; i + 1 < transfers.Count; i++) _driver.Link(transfers[i], transfers[i + 1]);
        while ((_driver.StatusOf(transfers[0]) & Active) != 0) _driver.Pass(1);
        Assert.NotEqual(0u, _driver.StatusOf(transfers[^1]) & Active);
        byte[] state = Save();
        byte[] memory = new byte[0x1_0000];
        _machine.Memory.TryCopyOut(List, memory);
        _driver.Pass(20);
        _device.Reset();
        _machine.Memory.TryCopyIn(List, memory);
        _device.Exchange(new StateReader("usb", state));
        Assert.Equal(state, Save());
        _device.Start();
        _driver.Pass(20);
        Assert.Equal(0u, _driver.StatusOf(transfers[^1]) & (Active | Stalled));
        Assert.Equal("USB Tablet", System.Text.Encoding.Unicode.GetString(_driver.Bytes(22)[2..]));
    }

    [Fact]
    public void A_damaged_state_is_refused()
    {
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
            }
            catch (StateException)
            {
                // What a damaged state may lead to.
            }
        }
        _device.Reset();
    }

    [Fact]
    public void A_pc_has_one_in_its_chipset()
    {
        using TestMachine machine = new(machine: MachineKind.Pc);
        _ = machine.Pci.Add(new Bridge());
        using IDevice device = Make(machine, UhciModel.Piix3);
        // Function 2 of slot 1, with INTD.
        Assert.Equal((0x7020_8086u, 0x0c_0300u, 4u), (machine.ReadPortConfig(1, 2, 0), machine.ReadPortConfig(1, 2, 8) >> 8, machine.ReadPortConfig(1, 2, 0x3d, 1)));
        UhciDriver driver = new(machine, (ushort)(machine.ReadPortConfig(1, 2, 0x20) & ~3u));
        driver.Start();
        device.Start();
        driver.Enable(TabletPort);
        Assert.Equal(18, driver.Control(0, 0x80, 6, 0x0100, 0, 18));
        Assert.Equal((true, false), (machine.Gsi[PciBus.GsiOf(1, 3, MachineKind.Pc)], machine.Gsi[PciBus.GsiOf(1, 0, MachineKind.Pc)]));
        Assert.Contains("second", Assert.Throws<ConfigException>(() => Make(machine, UhciModel.Piix3)).Message, StringComparison.Ordinal);
        Assert.Contains("machine pc", Assert.Throws<ConfigException>(() => Make(_machine, UhciModel.Piix3)).Message, StringComparison.Ordinal);
    }

    private void Configure(int port, int address)
    {
        _driver.Enable(port);
        Assert.Equal(0, _driver.Control(0, 0x00, 5, (ushort)address, 0, 0));
        Assert.Equal(0, _driver.Control(address, 0x00, 9, 1, 0, 0));
        _driver.Write(Status, 3);
    }

    private uint QueueReport(int address, uint flags)
    {
        uint transfer = _driver.SetTransfer(8, In, address, 1, 8, Data, Active | ThreeErrors | flags);
        _driver.SetQueue(InterruptQueue, (uint)ControlQueue | Queue, transfer);
        return transfer;
    }

    private byte[] Save()
    {
        StateWriter writer = new("usb");
        _device.Exchange(writer);
        return writer.Body.ToArray();
    }

    private sealed class Bridge() : PciFunction("bridge", new PciIdentity(0x8086, 0x7000, 0x060100));
}
