using System;
using System.Collections.Generic;
using System.Linq;
using System.Text;
using Hutch.Core.State;
using Hutch.Devices;
using Hutch.Model.Machine;
using Xunit;

namespace Hutch.Tests.Devices.Virtio;

/// <summary>The device of virtio 1.2 §5.8: keyboard, mouse and tablet.</summary>
public sealed class VirtioInputTests : IDisposable
{
    private const ulong Features = (1UL << 32) | (1UL << 29), Buffers = 0x20_0000, Status = 0x21_0000;
    private const int Events = 0, Lights = 1;
    private const byte AKey = 0x1e, RightControl = 0x9d;

    private readonly TestMachine _machine = new();
    private readonly List<IDevice> _devices = [];
    private int _offered, _taken;

    private InputDevices Input => _machine.Services.Input;

    [Theory]
    [InlineData(VirtioInputKind.Keyboard, "Hutch Virtio Keyboard", 1)]
    [InlineData(VirtioInputKind.Mouse, "Hutch Virtio Mouse", 2)]
    [InlineData(VirtioInputKind.Tablet, "Hutch Virtio Tablet", 3)]
    public void Says_what_it_is(VirtioInputKind kind, string name, int product)
    {
        VirtioDriver driver = Make(kind);
        Assert.Equal(0x1052_1af4u, _machine.ReadConfig(1, 0));
        Assert.Equal(name, Encoding.ASCII.GetString(Ask(driver, 1, 0)));
        Assert.Equal("input0", Encoding.ASCII.GetString(Ask(driver, 2, 0)));
        Assert.Equal([6, 0, 0x27, 6, (byte)product, 0, 1, 0], Ask(driver, 3, 0));
        Assert.Empty(Ask(driver, 0x10, 0));
        Assert.Empty(Ask(driver, 0, 0));
        Assert.Empty(Ask(driver, 99, 0));
        Assert.Empty(Ask(driver, 0x11, 99));
    }

    [Fact]
    public void Says_which_keys_lights_axes_and_buttons_it_has()
    {
        VirtioDriver keyboard = Make(VirtioInputKind.Keyboard);
        int[] keys = Bits(Ask(keyboard, 0x11, 1));
        foreach (int key in (int[])[1, 28, 30, 57, 86, 88, 96, 97, 99, 103, 119, 125]) Assert.Contains(key, keys);
        Assert.DoesNotContain(0, keys);
        Assert.Equal([0, 1, 2], Bits(Ask(keyboard, 0x11, 0x11)));
        Assert.Single(Ask(keyboard, 0x11, 0x14));
        Assert.Empty(Ask(keyboard, 0x11, 2));
        VirtioDriver mouse = Make(VirtioInputKind.Mouse);
        Assert.Equal([0, 1, 8], Bits(Ask(mouse, 0x11, 2)));
        Assert.Equal([0x110, 0x111, 0x112, 0x113, 0x114], Bits(Ask(mouse, 0x11, 1)));
        Assert.Empty(Ask(mouse, 0x12, 0));
        VirtioDriver tablet = Make(VirtioInputKind.Tablet);
        Assert.Equal([8], Bits(Ask(tablet, 0x11, 2)));
        Assert.Equal([0, 1], Bits(Ask(tablet, 0x11, 3)));
        foreach (byte axis in (byte[])[0, 1]) Assert.Equal([0, 0, 0, 0, 0xff, 0x7f, 0, 0, .. new byte[12]], Ask(tablet, 0x12, axis));
        Assert.Empty(Ask(tablet, 0x12, 2));
    }

    [Fact]
    public void Keys_are_events_with_an_end()
    {
        VirtioDriver driver = Bring(VirtioInputKind.Keyboard);
        Offer(driver, 8);
        IKeyboard keyboard = Assert.Single(Input.Keyboards);
        Assert.True(keyboard.IsUsed);
        keyboard.Press(AKey, true);
        keyboard.Press(AKey, true);
        keyboard.Press(0x7f, true);
        keyboard.Press(RightControl, true);
        keyboard.Press(AKey, false);
        Assert.Equal([(1, 30, 1), (0, 0, 0), (1, 97, 1), (0, 0, 0), (1, 30, 0), (0, 0, 0)], Take(driver, 6));
    }

    [Fact]
    public void A_report_waits_until_there_are_buffers_for_all_of_it()
    {
        VirtioDriver driver = Bring(VirtioInputKind.Mouse);
        Offer(driver, 3);
        Assert.Single(Input.Pointers).Update(5, -6, 1, PointerButtons.Left | PointerButtons.Forward);
        Barrier(driver);
        Assert.False(driver.TryTakeUsed(Events, out _, out _));
        // Stopped in the middle of it, it begins anew.
        _devices[0].Stop();
        _devices[0].Start();
        Offer(driver, 4);
        Assert.Equal([(2, 0, 5), (2, 1, -6), (2, 8, -1), (1, 0x110, 1), (1, 0x114, 1), (0, 0, 0)], Take(driver, 6));
        Assert.False(driver.TryTakeUsed(Events, out _, out _));
    }

    [Fact]
    public void Motion_without_room_gathers_and_no_button_stays_down()
    {
        VirtioDriver driver = Bring(VirtioInputKind.Mouse);
        IPointer mouse = Assert.Single(Input.Pointers);
        mouse.Update(0, 0, 0, PointerButtons.Right);
        for (int i = 0; i < 1000; i++) mouse.Update(1, 2, 0, PointerButtons.Right);
        mouse.Update(0, 0, 0, PointerButtons.None);
        int right = 0, down = 0;
        List<int> buttons = [];
        // What found no room was told at last as one report.
        for (int offers = 0; (right < 1000 || buttons.Count < 2) && offers < 1000; offers++)
        {
            Offer(driver, 1);
            Barrier(driver);
            while (TryTake(driver) is (int type, int code, int value))
            {
                if (type == 2) (right, down) = code == 0 ? (right + value, down) : (right, down + value);
                if (type == 1) buttons.Add(value);
            }
        }
        Assert.Equal((1000, 2000), (right, down));
        Assert.Equal([1, 0], buttons);
    }

    [Fact]
    public void A_key_that_was_let_go_while_there_was_no_room_does_not_stay_down()
    {
        VirtioDriver driver = Bring(VirtioInputKind.Keyboard);
        IKeyboard keyboard = Assert.Single(Input.Keyboards);
        keyboard.Press(RightControl, true);
        for (int i = 0; i < 500; i++) keyboard.Press(AKey, i % 2 == 0);
        keyboard.Press(RightControl, false);
        bool isDown = false, wasDown = false;
        while (isDown || !wasDown)
        {
            Offer(driver, 2);
            (int type, int code, int value) = Take(driver, 2)[0];
            if (type == 1 && code == 97) isDown = wasDown |= value != 0;
            if (type == 1 && code == 97) isDown = value != 0;
        }
        Assert.True(wasDown);
    }

    [Fact]
    public void Nothing_is_typed_while_the_machine_stands_still_but_releases()
    {
        VirtioDriver driver = Bring(VirtioInputKind.Keyboard);
        IKeyboard keyboard = Assert.Single(Input.Keyboards);
        Offer(driver, 8);
        keyboard.Press(AKey, true);
        Assert.Equal([(1, 30, 1), (0, 0, 0)], Take(driver, 2));
        _devices[0].Stop();
        keyboard.Press(AKey, false);
        keyboard.Press(RightControl, true);
        _devices[0].Start();
        Assert.Equal([(1, 30, 0), (0, 0, 0)], Take(driver, 2));
        Barrier(driver);
        Assert.False(driver.TryTakeUsed(Events, out _, out _));
    }

    [Fact]
    public void A_tablet_tells_places_within_its_range()
    {
        VirtioDriver driver = Bring(VirtioInputKind.Tablet);
        IAbsolutePointer tablet = Assert.Single(Input.Tablets);
        Offer(driver, 12);
        tablet.Place(100, 70_000, 0, PointerButtons.None);
        Assert.Equal([(3, 0, 100), (3, 1, 0x7fff), (0, 0, 0)], Take(driver, 3));
        // Where it is already says nothing.
        tablet.Place(100, 0x7fff, 0, PointerButtons.None);
        tablet.Place(100, -5, 0, PointerButtons.Middle);
        Assert.Equal([(3, 1, 0), (1, 0x112, 1), (0, 0, 0)], Take(driver, 3));
    }

    [Fact]
    public void The_driver_switches_lights()
    {
        VirtioDriver driver = Bring(VirtioInputKind.Keyboard);
        IKeyboard keyboard = Assert.Single(Input.Keyboards);
        Light(driver, 0x11, 1, 1);
        Assert.True(keyboard.HasCapsLock);
        Light(driver, 0x11, 40, 1);
        Light(driver, 0x11, 0, 0);
        Light(driver, 1, 1, 0);
        Assert.True(keyboard.HasCapsLock);
        Light(driver, 0x11, 1, 0);
        Assert.False(keyboard.HasCapsLock);
    }

    [Theory]
    [InlineData(VirtioInputKind.Keyboard)]
    [InlineData(VirtioInputKind.Mouse)]
    [InlineData(VirtioInputKind.Tablet)]
    public void What_waits_and_what_the_guest_knows_survive_a_save(VirtioInputKind kind)
    {
        VirtioDriver driver = Bring(kind);
        foreach (IKeyboard one in Input.Keyboards) one.Press(AKey, true);
        foreach (IPointer one in Input.Pointers) one.Update(1, 0, 0, PointerButtons.Left);
        foreach (IAbsolutePointer one in Input.Tablets) one.Place(1, 0, 0, PointerButtons.Left);
        Offer(driver, 1);
        Barrier(driver);
        _devices[0].Stop();
        byte[] saved = Save();
        _devices[0].Reset();
        Assert.NotEqual(saved, Save());
        _devices[0].Exchange(new StateReader("input0", saved));
        Assert.Equal(saved, Save());
        // Nobody holds it any more.
        foreach (IKeyboard one in Input.Keyboards) one.Press(AKey, false);
        _devices[0].Start();
        Offer(driver, 6);
        (int, int, int)[] told = Take(driver, kind == VirtioInputKind.Keyboard ? 4 : 5);
        Assert.Equal(kind == VirtioInputKind.Keyboard ? [(1, 30, 1), (0, 0, 0), (1, 30, 0), (0, 0, 0)]
            : [(kind == VirtioInputKind.Mouse ? 2 : 3, 0, 1), (1, 0x110, 1), (0, 0, 0), .. Released(kind)], told);
    }

    [Fact]
    public void Without_a_driver_it_is_not_used()
    {
        VirtioDriver driver = Bring(VirtioInputKind.Keyboard);
        IKeyboard keyboard = Assert.Single(Input.Keyboards);
        keyboard.Press(AKey, true);
        _machine.Store(driver.Common + 0x14, 0, 1);
        Assert.False(keyboard.IsUsed);
        driver.Bring(2, Features);
        Offer(driver, 4);
        keyboard.Press(RightControl, true);
        Assert.Equal([(1, 97, 1), (0, 0, 0)], Take(driver, 2));
    }

    [Fact]
    public void A_report_that_is_longer_than_the_queue_is_dropped()
    {
        VirtioDriver driver = Make(VirtioInputKind.Mouse);
        driver.Negotiate(Features);
        driver.EnableMsix(3);
        driver.SetUpQueue(Events, size: 2);
        driver.SetUpQueue(Lights);
        driver.DriverOk();
        IPointer mouse = Assert.Single(Input.Pointers);
        mouse.Update(1, 1, 1, PointerButtons.None);
        mouse.Update(0, 3, 0, PointerButtons.None);
        Offer(driver, 2);
        Assert.Equal([(2, 1, 3), (0, 0, 0)], Take(driver, 2));
    }

    public void Dispose()
    {
        foreach (IDevice device in _devices) device.Dispose();
        _machine.Dispose();
    }

    private static (int, int, int)[] Released(VirtioInputKind kind) => kind == VirtioInputKind.Keyboard ? [] : [(1, 0x110, 0), (0, 0, 0)];

    private byte[] Save()
    {
        StateWriter writer = new("input0");
        _devices[0].Exchange(writer);
        return writer.Body.ToArray();
    }

    private VirtioDriver Make(VirtioInputKind kind)
    {
        IDevice device = DeviceFactories.Create(new VirtioInputConfig($"input{_devices.Count}", kind), _machine.Services);
        _devices.Add(device);
        _machine.Pci.AssignResources(0, 0);
        device.Start();
        return new VirtioDriver(_machine, _devices.Count);
    }

    private VirtioDriver Bring(VirtioInputKind kind)
    {
        VirtioDriver driver = Make(kind);
        driver.Bring(2, Features);
        return driver;
    }

    private byte[] Ask(VirtioDriver driver, byte select, byte subselect)
    {
        _machine.Store(driver.Device, select, 1);
        _machine.Store(driver.Device + 1, subselect, 1);
        return [.. Enumerable.Range(0, (int)_machine.Load(driver.Device + 2, 1)).Select(i => (byte)_machine.Load(driver.Device + 8 + (ulong)i, 1))];
    }

    private static int[] Bits(byte[] map) => [.. Enumerable.Range(0, map.Length * 8).Where(bit => (map[bit / 8] >> (bit % 8) & 1) != 0)];

    private void Offer(VirtioDriver driver, int buffers)
    {
        for (int i = 0; i < buffers; i++) driver.Submit(Events, (Buffers + (8 * (ulong)(_offered++ % 1024)), 8, true));
    }

    private (int Type, int Code, int Value)[] Take(VirtioDriver driver, int count)
    {
        (int, int, int)[] events = new (int, int, int)[count];
        for (int i = 0; i < count; i++)
        {
            Assert.Equal(8u, driver.WaitUsed(Events));
            events[i] = Event();
        }
        return events;
    }

    private (int Type, int Code, int Value)? TryTake(VirtioDriver driver) => driver.TryTakeUsed(Events, out _, out _) ? Event() : null;

    // They come in the order of the buffers.
    private (int Type, int Code, int Value) Event()
    {
        ulong at = Buffers + (8 * (ulong)(_taken++ % 1024));
        _machine.Memory.TryRead(at, out ushort type);
        _machine.Memory.TryRead(at + 2, out ushort code);
        _machine.Memory.TryRead(at + 4, out uint value);
        return (type, code, (int)value);
    }

    private void Light(VirtioDriver driver, ushort type, ushort code, uint value)
    {
        _machine.Memory.TryWrite(Status, type);
        _machine.Memory.TryWrite(Status + 2, code);
        _machine.Memory.TryWrite(Status + 4, value);
        driver.Submit(Lights, (Status, 8, false));
        Assert.Equal(0u, driver.WaitUsed(Lights));
    }

    // When the second is answered, all that there was before the first is done.
    private void Barrier(VirtioDriver driver)
    {
        Light(driver, 0, 0, 0);
        Light(driver, 0, 0, 0);
    }
}
