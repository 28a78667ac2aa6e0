using System;
using System.Collections.Generic;
using Hutch.Core.State;
using Hutch.Devices;
using Hutch.Devices.Pci;
using Hutch.Model.Machine;
using Hutch.Tests.Devices.Virtio;
using Xunit;

namespace Hutch.Tests.Devices.Usb;

/// <summary>The controller and its devices, as a driver sees them (xHCI 1.2, USB 2.0, HID 1.11).</summary>
public sealed class XhciTests : IDisposable
{
    private const int TabletPort = 1, KeyboardPort = 2, EmptyPort = 3;
    private const uint Success = 1, ShortPacket = 13, Stall = 6, ContextState = 19, SlotNotEnabled = 11, NoSlots = 9, TrbError = 5;

    private readonly TestMachine _machine = new();
    private readonly IDevice _device;
    private readonly XhciDriver _driver;

    public XhciTests()
    {
        _device = Make(_machine);
        _driver = new XhciDriver(_machine, 1);
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

    private static IDevice Make(TestMachine machine)
    {
        XhciConfig config = new("usb", [new UsbDeviceConfig("tablet0", UsbDeviceKind.Tablet), new UsbDeviceConfig("kbd0", UsbDeviceKind.Keyboard)]);
        IDevice device = DeviceFactories.Create(config, machine.Services);
        machine.Pci.AssignResources(0, 0);
        return device;
    }

    [Fact]
    public void Capabilities_lead_to_the_registers_and_say_which_ports_are_for_which_USB()
    {
        // CAPLENGTH and HCIVERSION, HCSPARAMS1 (§5.3.1 to §5.3.3), then the supported protocols (§7.2).
        Assert.Equal(0x0100_0040u, _driver.Read(0));
        Assert.Equal(0x0800_0108u, _driver.Read(4));
        List<(uint Major, uint First, uint Count)> protocols = [];
        int at = (int)(_driver.Read(0x10) >> 16) * 4;
        for (uint next = 1; next != 0; at += (int)next * 4)
        {
            uint head = _driver.Read(at);
            Assert.Equal((2u, 0x2042_5355u), (head & 0xff, _driver.Read(at + 4)));
            protocols.Add((head >> 24, _driver.Read(at + 8) & 0xff, _driver.Read(at + 8) >> 8 & 0xff));
            next = head >> 8 & 0xff;
        }
        Assert.Equal([(2, 1, 4), (3, 5, 4)], protocols);
        // A byte of a register is read too (§5.1 lets hosts do so).
        Assert.Equal(0x40ul, _machine.Load(_driver.Base, 1));
    }

    // xHCI 1.2 §5.4: after a reset the controller is halted; PAGESIZE is 4 KiB; CRCR's pointer reads as zero; DCBAAP is aligned to 64, CONFIG has eight bits of slots.
    [Fact]
    public void Operational_registers_have_their_reset_values_and_reserved_bits()
    {
        Assert.Equal(0u, _driver.Read(0x44) & 1);
        _driver.Write(0x40, 2);
        Assert.Equal((0u, 1u, 1u), (_driver.Read(0x40), _driver.Read(0x44) & 0x1001, _driver.Read(0x48)));
        Assert.Equal((0u, 0u, 0u, 0u), (_driver.Read(0x54), _driver.Read(0x58), _driver.Read(0x70), _driver.Read(0x78)));
        _driver.Write(0x54, 0xffff_ffff);
        _driver.Write(0x58, 0x10_0041);
        _driver.Write(0x5c, 0);
        _driver.Write(0x70, 0xffff_ffff);
        _driver.Write(0x78, 0xffff_ffff);
        Assert.Equal((0xffffu, 0u, 0xffff_ffc0u, 0xffu), (_driver.Read(0x54), _driver.Read(0x58), _driver.Read(0x70), _driver.Read(0x78)));
    }

    [Fact]
    public void A_port_tells_of_its_device_once()
    {
        Assert.Equal((ulong)TabletPort << 24, _driver.Next()![0]);
        Assert.Equal((ulong)KeyboardPort << 24, _driver.Next()![0]);
        Assert.Null(_driver.Next());
        // Connected, high speed, powered, polling, with the change (§5.4.8).
        Assert.Equal(0x0002_0ee1u, _driver.Read(0x440));
        Assert.Equal(0x0000_02a0u, _driver.Read(0x440 + ((EmptyPort - 1) * 16)));
        _driver.Write(0x440, 0x0002_0200);
        Assert.Equal(0x0000_0ee1u, _driver.Read(0x440));
    }

    [Fact]
    public void A_device_gets_an_address_and_describes_itself()
    {
        int slot = _driver.Connect(TabletPort);
        // Addressed, with the slot's number as the address (§6.2.2); the control endpoint runs (§6.2.3).
        Assert.Equal((2u << 27) | (uint)slot, _driver.Context(slot, 0, 3));
        Assert.Equal(1u, _driver.Context(slot, 1, 0) & 7);

        Assert.Equal((Success, 0), _driver.Control(slot, 0x80, 6, 0x0100, 0, 18));
        byte[] device = _driver.Bytes(18);
        Assert.Equal([18, 1, 0, 2], device[..4]);
        // A device has less to say than there is room for: the data's event is short, the status's is not (§4.10.1.1).
        Assert.Equal((Success, 255 - 34), _driver.Control(slot, 0x80, 6, 0x0200, 0, 255));
        byte[] configuration = _driver.Bytes(34);
        Assert.Equal([9, 2, 34, 0, 1, 1], configuration[..6]);
        Assert.Equal([9, 4, 0, 0, 1, 3, 0, 0, 0], configuration[9..18]);
        int described = configuration[25] | configuration[26] << 8;
        Assert.Equal((Success, 0), _driver.Control(slot, 0x81, 6, 0x2200, 0, (ushort)described));
        Assert.Equal([0x05, 0x01, 0x09, 0x02], _driver.Bytes(4));
        Assert.Equal((Success, 241), _driver.Control(slot, 0x80, 6, 0x0302, 0x0409, 255 + 8));
        Assert.Equal("USB Tablet", System.Text.Encoding.Unicode.GetString(_driver.Bytes(22)[2..]));
    }

    // xHCI 1.2 §7.2.2.1.1, default speeds; USB 2.0 §9.6.6: the endpoint is to be asked every 8 frames.
    [Fact]
    public void A_device_of_USB_1_is_at_full_speed()
    {
        using TestMachine machine = new();
        using IDevice device = DeviceFactories.Create(new XhciConfig("usb", [new UsbDeviceConfig("slow", UsbDeviceKind.Tablet) { IsFullSpeed = true }]), machine.Services);
        machine.Pci.AssignResources(0, 0);
        XhciDriver driver = new(machine, 1);
        driver.Start();
        Assert.Equal(1u, driver.Read(0x440) >> 10 & 0xf);
        Assert.Equal((Success, 0), driver.Control(driver.Connect(1), 0x80, 6, 0x0200, 0, 34));
        Assert.Equal(8, driver.Bytes(34)[33]);
    }

    // USB 2.0 §8.5.3.4; xHCI 1.2 §4.6.8.
    [Fact]
    public void What_a_device_does_not_know_stalls_until_the_endpoint_is_reset()
    {
        int slot = _driver.Connect(TabletPort);
        Assert.Equal(Stall, _driver.Control(slot, 0x80, 6, 0x0600, 0, 10).Code);
        Assert.Equal(2u, _driver.Context(slot, 1, 0) & 7);
        Assert.Equal(ContextState, _driver.Command(0, Of(15, slot, 1)).Code);
        Assert.Equal(Success, _driver.Command(0, Of(14, slot, 1)).Code);
        ulong place = _driver.Queue(slot, 1, 0, 0, 8 << 10);
        Assert.Equal(Success, _driver.Command((place + 16) | 1, Of(16, slot, 1)).Code);
        Assert.Equal(Success, _driver.Control(slot, 0x80, 6, 0x0100, 0, 18).Code);
    }

    // HID 1.11 §6.2.2.
    [Fact]
    public void A_tablet_reports_where_it_is()
    {
        int slot = Configure(TabletPort);
        Assert.True(Tablet.IsUsed);
        ulong first = QueueReport(slot), second = QueueReport(slot);
        _driver.Ring(slot, 3);
        Assert.Null(_driver.Next());

        Tablet.Place(0x1234, 0x7fff, 0, PointerButtons.Left);
        AssertReport(first, slot, left: 2);
        Assert.Equal([1, 0x34, 0x12, 0xff, 0x7f, 0], _driver.Bytes(6));
        Tablet.Place(0x12345678, -1, 1, PointerButtons.None);
        AssertReport(second, slot, left: 2);
        // A step towards the user is down, which a HID wheel counts negative.
        Assert.Equal([0, 0xff, 0x7f, 0, 0, 0xff], _driver.Bytes(6));
    }

    [Fact]
    public void A_click_that_is_over_before_the_guest_looks_is_seen_and_motion_is_not_kept()
    {
        int slot = Configure(TabletPort);
        for (int i = 0; i < 100; i++) Tablet.Place(i, i, 0, PointerButtons.None);
        Tablet.Place(5, 5, 0, PointerButtons.Right);
        Tablet.Place(5, 5, 0, PointerButtons.None);
        List<byte> buttons = [];
        for (int i = 0; i < 3; i++)
        {
            QueueReport(slot);
            _driver.Ring(slot, 3);
            Assert.NotNull(_driver.Next());
            buttons.Add(_driver.Bytes(1)[0]);
        }
        Assert.Equal([0, 2, 0], buttons);
        QueueReport(slot);
        _driver.Ring(slot, 3);
        Assert.Null(_driver.Next());
    }

    // HID 1.11 §7.2.
    [Fact]
    public void A_keyboard_reports_keys_and_takes_lights()
    {
        int slot = Configure(KeyboardPort);
        // Left shift, then A (HID usage tables, §10).
        Keyboard.Press(0x2a, true);
        Keyboard.Press(0x1e, true);
        Keyboard.Press(0x1e, false);
        List<string> reports = [];
        for (int i = 0; i < 3; i++)
        {
            QueueReport(slot);
            _driver.Ring(slot, 3);
            Assert.NotNull(_driver.Next());
            reports.Add(Convert.ToHexString(_driver.Bytes(8)));
        }
        Assert.Equal(["0200000000000000", "0200040000000000", "0200000000000000"], reports);

        _machine.Memory.TryWrite(XhciDriver.Data, (byte)2);
        Assert.False(Keyboard.HasCapsLock);
        Assert.Equal(Success, _driver.Control(slot, 0x21, 9, 0x0200, 0, 1).Code);
        Assert.True(Keyboard.HasCapsLock);
    }

    [Fact]
    public void More_keys_than_a_report_has_room_for_are_an_error_of_the_keyboard()
    {
        int slot = Configure(KeyboardPort);
        foreach (byte key in (byte[])[0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16]) Keyboard.Press(key, true);
        for (int i = 0; i < 7; i++)
        {
            QueueReport(slot);
            _driver.Ring(slot, 3);
            Assert.NotNull(_driver.Next());
        }
        Assert.Equal("0000010101010101", Convert.ToHexString(_driver.Bytes(8)));
    }

    [Fact]
    public void Keys_that_come_up_while_the_machine_stands_still_are_released_when_it_goes_on()
    {
        int slot = Configure(KeyboardPort);
        Keyboard.Press(0x1e, true);
        _device.Stop();
        Keyboard.Press(0x1e, false);
        Keyboard.Press(0x1f, true);
        Keyboard.Press(0x1f, false);
        _device.Start();
        List<string> reports = [];
        for (int i = 0; i < 2; i++)
        {
            QueueReport(slot);
            _driver.Ring(slot, 3);
            Assert.NotNull(_driver.Next());
            reports.Add(Convert.ToHexString(_driver.Bytes(8)));
        }
        Assert.Equal(["0000040000000000", "0000000000000000"], reports);
    }

    // xHCI 1.2 §4.6.9.
    [Fact]
    public void A_transfer_that_waits_is_reported_when_its_endpoint_is_stopped_and_goes_on_when_it_runs()
    {
        int slot = Configure(TabletPort);
        ulong block = QueueReport(slot);
        _driver.Ring(slot, 3);
        _driver.Write(0x2000 + (slot * 4), 0);
        // The transfer's event comes before the command's (§4.6.9).
        ulong at = StopEndpoint(slot, out uint[] stopped);
        Assert.Equal(((uint)block, 26u, 8u), (stopped[0], stopped[2] >> 24, stopped[2] & 0xffffff));
        Assert.Equal((uint)block | 1, _driver.Context(slot, 3, 2));
        Assert.NotEqual(0ul, at);
        Tablet.Place(7, 7, 0, PointerButtons.None);
        Assert.Null(_driver.Next());
        _driver.Ring(slot, 3);
        AssertReport(block, slot, left: 2);
    }

    // xHCI 1.2 §4.5, §4.6.
    [Fact]
    public void Slots_are_as_many_as_ports_and_come_back()
    {
        for (uint slot = 1; slot <= 8; slot++) Assert.Equal((Success, slot), Drained().Command(0, 9 << 10));
        Assert.Equal(NoSlots, _driver.Command(0, 9 << 10).Code);
        Assert.Equal(Success, _driver.Command(0, Of(10, 3)).Code);
        Assert.Equal(SlotNotEnabled, _driver.Command(0, Of(10, 3)).Code);
        Assert.Equal((Success, 3u), _driver.Command(0, 9 << 10));
        Assert.Equal(SlotNotEnabled, _driver.Command(0, Of(10, 200)).Code);
        Assert.Equal(TrbError, _driver.Command(0, 40 << 10).Code);
        Assert.Equal(Success, _driver.Command(0, 23 << 10).Code);
    }

    // xHCI 1.2 §4.17, §5.5.2.1.
    [Fact]
    public void An_interrupt_comes_when_it_is_wanted_and_not_again_before_the_guest_has_looked()
    {
        int slot = Configure(TabletPort);
        Assert.True(_machine.Gsi[PciBus.GsiOf(1, 0)]);
        _driver.Write(0x1020, 3);
        Assert.False(_machine.Gsi[PciBus.GsiOf(1, 0)]);
        QueueReport(slot);
        QueueReport(slot);
        _driver.Ring(slot, 3);
        Tablet.Place(1, 1, 0, PointerButtons.None);
        Assert.True(_machine.Gsi[PciBus.GsiOf(1, 0)]);
    }

    // xHCI 1.2 §5.5.2.1; PCI Express Base 5.0 §6.1.4.3.
    [Fact]
    public void With_MSI_X_on_the_pin_falls_and_messages_are_sent()
    {
        int slot = Configure(TabletPort);
        Assert.True(_machine.Gsi[PciBus.GsiOf(1, 0)]);
        int capability = (int)_machine.ReadConfig(1, 0x34, 1);
        Assert.Equal(0x11u, _machine.ReadConfig(1, capability, 1));
        ulong table = _machine.ReadConfig(1, 0x18) & ~15u;
        _machine.Store(table, 0xfee0_0000, 4);
        _machine.Store(table + 8, 0x41, 4);
        _machine.Store(table + 12, 0, 4);
        _machine.WriteConfig(1, capability + 2, 0x8000, 2);
        Assert.False(_machine.Gsi[PciBus.GsiOf(1, 0)]);
        QueueReport(slot);
        _driver.Ring(slot, 3);
        Tablet.Place(1, 1, 0, PointerButtons.None);
        Assert.Equal(0x41u, Assert.Single(_machine.Router.Messages).Data);
        Assert.False(_machine.Gsi[PciBus.GsiOf(1, 0)]);
    }

    [Fact]
    public void Event_data_carries_the_drivers_own_word_and_the_length()
    {
        int slot = Configure(TabletPort);
        _driver.Queue(slot, 3, XhciDriver.Data, 8, (1 << 10) | (1 << 4));
        _driver.Queue(slot, 3, 0xfeed_0123_4567, 0, (7 << 10) | (1 << 5));
        _driver.Ring(slot, 3);
        Tablet.Place(1, 1, 0, PointerButtons.None);
        uint[] block = _driver.Next()!;
        Assert.Equal((0x0123_4567u, 0xfeedu, ShortPacket, 6u, 4u), (block[0], block[1], block[2] >> 24, block[2] & 0xffffff, block[3] & 4));
    }

    [Fact]
    public void A_ring_that_never_ends_gives_the_processor_back()
    {
        int slot = Configure(TabletPort);
        // A block that does nothing, and a link to it that does not change the cycle.
        ulong block = _driver.Queue(slot, 3, 0, 0, 8 << 10);
        _driver.Queue(slot, 3, block, 0, 6 << 10);
        _driver.Ring(slot, 3);
        // And links alone.
        ulong link = _driver.Queue(slot, 1, 0, 0, 6 << 10);
        _machine.Memory.TryWrite(link, link);
        _driver.Ring(slot, 1);
        Assert.Null(_driver.Next());
    }

    // xHCI 1.2 §4.24.1.
    [Fact]
    public void An_event_ring_outside_memory_stops_the_controller_until_it_is_reset()
    {
        _driver.Write(0x1030, 0x4000_0000);
        _driver.Write(0x1034, 0x10);
        Assert.Equal(0x1001u, _driver.Read(0x44) & 0x1001);
        _driver.Start();
        Assert.Equal(0u, _driver.Read(0x44) & 0x1001);
        Assert.True(Configure(TabletPort) > 0);
    }

    [Fact]
    public void A_saved_controller_goes_on_where_it_was()
    {
        int slot = Configure(TabletPort);
        ulong block = QueueReport(slot);
        _driver.Ring(slot, 3);
        byte[] state = Save();
        Tablet.Place(9, 9, 0, PointerButtons.None);
        Assert.NotNull(_driver.Next());
        _device.Reset();
        _device.Exchange(new StateReader("usb", state));
        Assert.Equal(state, Save());
        // The event of before lies in memory still, where the ring goes on.
        Tablet.Place(3, 4, 0, PointerButtons.Left);
        Assert.Equal([1, 3, 0, 4, 0, 0], _driver.Bytes(6));
        Assert.NotEqual(0ul, block);
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
    public void Random_accesses_and_random_rings_leave_a_controller_that_works(int seed)
    {
        Random random = new(seed);
        byte[] noise = new byte[0x4_0000];
        for (int i = 0; i < 500_000; i++)
        {
            if (i % 5000 == 0)
            {
                // Small numbers make more of what is sound.
                for (int at = 0; at < noise.Length; at++) noise[at] = (byte)(random.Next(3) == 0 ? random.Next(256) : random.Next(16));
                _machine.Memory.TryCopyIn(0x10_0000, noise);
                _driver.Start();
                _machine.Memory.TryCopyIn(0x10_3000, noise.AsSpan(0x3000));
            }
            int width = 1 << random.Next(4), register = random.Next(6) switch { 0 => random.Next(0x4000), 1 => 0x2000 + (4 * random.Next(12)), 2 => 0x1020 + random.Next(0x20), _ => 0x40 + (4 * random.Next(16)) };
            ulong value = random.Next(4) switch { 0 => (ulong)random.NextInt64(), 1 => 0x10_0000u + (uint)random.Next(0x4_0000), _ => (ulong)random.Next(32) };
            if (random.Next(4) == 0) _ = _machine.Load(_driver.Base + (ulong)register, width);
            else _machine.Store(_driver.Base + (ulong)register, value, width);
            if (i % 16 == 0) Tablet.Place(i & 0x7fff, 0, 0, PointerButtons.None);
        }
        _driver.Start();
        Assert.True(Configure(TabletPort) > 0);
    }

    // Without the events of the ports.
    private XhciDriver Drained()
    {
        while (_driver.Next() is not null) { }
        return _driver;
    }

    private static uint Of(uint type, int slot, int endpoint = 0) => (type << 10) | ((uint)slot << 24) | ((uint)endpoint << 16);

    private int Configure(int port)
    {
        int slot = _driver.Connect(port);
        Assert.Equal(Success, _driver.ConfigureReports(slot, port));
        Assert.Equal(Success, _driver.Control(slot, 0x00, 9, 1, 0, 0).Code);
        return slot;
    }

    private ulong QueueReport(int slot) => _driver.Queue(slot, 3, XhciDriver.Data, 8, (1 << 10) | (1 << 5) | (1 << 2));

    private void AssertReport(ulong block, int slot, uint left)
    {
        uint[] found = _driver.Next() ?? throw new InvalidOperationException("There is no event.");
        Assert.Equal(((uint)block, ShortPacket, left, (uint)slot, 3u, 32u), (found[0], found[2] >> 24, found[2] & 0xffffff, found[3] >> 24, found[3] >> 16 & 0x1f, found[3] >> 10 & 0x3f));
    }

    private ulong StopEndpoint(int slot, out uint[] stopped)
    {
        ulong at = _driver.Post(0, Of(15, slot, 3));
        stopped = _driver.Next()!;
        Assert.Equal((33u, Success), (_driver.Next()! is var done ? (done[3] >> 10 & 0x3f, done[2] >> 24) : default));
        return at;
    }

    private byte[] Save()
    {
        StateWriter writer = new("usb");
        _device.Exchange(writer);
        return writer.Body.ToArray();
    }
}
