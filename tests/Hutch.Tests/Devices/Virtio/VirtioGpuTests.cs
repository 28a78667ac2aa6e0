using System;
using System.Buffers.Binary;
using System.Collections.Generic;
using System.Linq;
using Hutch.Core.State;
using Hutch.Devices;
using Hutch.Model.Machine;
using Xunit;

namespace Hutch.Tests.Devices.Virtio;

/// <summary>The GPU device in 2D mode (virtio 1.2 §5.7).</summary>
public sealed class VirtioGpuTests : IDisposable
{
    private const ulong Version1 = 1UL << 32, EdidFeature = 1UL << 1;
    private const uint Bgra = 1, Bgrx = 2, Pixels = 0x40_0000;

    private readonly TestMachine _machine = new();
    private readonly IDevice _device;
    private readonly VirtioDriver _driver;
    private readonly GpuClient _gpu;
    private readonly ScreenFrame _frame = new();

    public VirtioGpuTests()
    {
        _device = DeviceFactories.Create(new VirtioGpuConfig("gpu0", 640, 480), _machine.Services);
        _machine.Pci.AssignResources(0, 0);
        _device.Start();
        _driver = new VirtioDriver(_machine, 1);
        _driver.Bring(2, Version1 | EdidFeature);
        _gpu = new GpuClient(_machine, _driver);
    }

    private IScreen Screen => Assert.Single(_machine.Services.Screens);

    // §5.7.1, §5.7.3, §5.7.4, §5.7.7: the device, its features, one scanout, no capability sets, a display that is no VGA.
    [Fact]
    public void It_is_a_display_with_one_scanout()
    {
        Assert.Equal(0x1050_1af4u, _machine.ReadConfig(1, 0));
        Assert.Equal(0x038000u, _machine.ReadConfig(1, 8) >> 8);
        Assert.Equal(EdidFeature, _driver.OfferedFeatures() & 0xffff);
        Assert.Equal([0u, 0, 1, 0], Enumerable.Range(0, 4).Select(i => (uint)_machine.Load(_driver.Device + (4 * (ulong)i), 4)));
        // Only what clears events can be written.
        for (ulong i = 0; i < 16; i += 4) _machine.Store(_driver.Device + i, uint.MaxValue, 4);
        Assert.Equal([0u, 0, 1, 0], Enumerable.Range(0, 4).Select(i => (uint)_machine.Load(_driver.Device + (4 * (ulong)i), 4)));
    }

    // §5.7.6.8: VIRTIO_GPU_CMD_GET_DISPLAY_INFO, 16 displays of which one is there.
    [Fact]
    public void The_display_says_what_size_it_would_like()
    {
        Assert.Equal(0x1101u, _gpu.Ask(0x100));
        Assert.Equal(408, _gpu.Last.Length);
        Assert.Equal([0u, 0, 640, 480, 1, 0], Enumerable.Range(0, 6).Select(i => _gpu.Word(24 + (4 * i))));
        Assert.False(_gpu.Last.AsSpan(48).ContainsAnyExcept((byte)0));
    }

    // §5.7.6.8: VIRTIO_GPU_CMD_GET_EDID, for drivers that took its feature (§5.7.3).
    [Fact]
    public void The_edid_prefers_the_same_size()
    {
        byte[] expected = new byte[1024];
        Hutch.Devices.Display.Edid.Write(expected, 640, 480);
        Assert.Equal(0x1104u, _gpu.Ask(0x10a, 0, 0));
        Assert.Equal(1056, _gpu.Last.Length);
        Assert.Equal(128u, _gpu.Word(24));
        Assert.Equal(expected, _gpu.Last[32..]);
        Assert.Equal(GpuClient.BadScanout, _gpu.Ask(0x10a, 1, 0));
        Assert.Equal(24, _gpu.Last.Length);

        _driver.Bring(2, Version1);
        Assert.Equal(GpuClient.Unspecified, _gpu.Ask(0x10a, 0, 0));
    }

    // §5.7.6.1, §5.7.6.2: create, attach, set the scanout, transfer, flush.
    [Fact]
    public void What_the_driver_draws_transfers_and_shows_is_the_picture()
    {
        Assert.False(Screen.IsDriven);
        Assert.Equal((640, 480), Size());
        Assert.False(_frame.Pixels.ContainsAnyExcept(0u));

        Assert.Equal(GpuClient.Ok, _gpu.Create(7, Bgrx, 100, 50));
        Assert.Equal(GpuClient.Ok, _gpu.Attach(7, (Pixels, 100 * 50 * 4)));
        Assert.Equal(GpuClient.Ok, _gpu.SetScanout(0, 7, 0, 0, 100, 50));
        Assert.True(Screen.IsDriven);
        Fill(100 * 50);
        Assert.Equal((100, 50), Size());
        Assert.False(_frame.Pixels.ContainsAnyExcept(0u));

        Assert.Equal(GpuClient.Ok, _gpu.Transfer(7, 0, 0, 0, 100, 50));
        Assert.Equal(GpuClient.Ok, _gpu.Flush(7, 0, 0, 100, 50));
        Size();
        Assert.Equal(Enumerable.Range(0, 100 * 50).Select(PixelOf), _frame.Pixels.ToArray());

        // A scanout without a resource is dark.
        Assert.Equal(GpuClient.Ok, _gpu.SetScanout(0, 0, 0, 0, 0, 0));
        Assert.False(Screen.IsDriven);
        Assert.Equal((640, 480), Size());
    }

    // §5.7.6.8: the rectangle is the part of the resource that is shown, and the offset is of its first pixel in the backing.
    [Fact]
    public void Parts_are_transferred_and_shown()
    {
        _gpu.Create(1, Bgrx, 40, 30);
        _gpu.Attach(1, (Pixels, 40 * 30 * 4));
        Fill(40 * 30);
        Assert.Equal(GpuClient.Ok, _gpu.Transfer(1, ((9 * 40) + 5) * 4, 5, 9, 3, 2));
        Assert.Equal(GpuClient.Ok, _gpu.SetScanout(0, 1, 4, 8, 5, 4));

        Assert.Equal((5, 4), Size());
        for (int y = 0; y < 4; y++)
            for (int x = 0; x < 5; x++)
                Assert.Equal(x is >= 1 and < 4 && y is >= 1 and < 3 ? PixelOf(((y + 8) * 40) + x + 4) : 0, _frame.Row(y)[x]);
    }

    // §5.7.6.8: backing pages are a scatter list; where it is cut means nothing.
    [Fact]
    public void Backing_may_lie_in_pieces_of_any_length()
    {
        uint[] lengths = [1, 3, 4, 39, 161, 1, 1, 4000, 590];
        List<(uint, uint)> ranges = [];
        uint at = Pixels;
        byte[] bytes = [.. Enumerable.Range(0, 40 * 30).SelectMany(i => BitConverter.GetBytes(PixelOf(i)))];
        int taken = 0;
        foreach (uint length in lengths)
        {
            ranges.Add((at, length));
            for (uint i = 0; i < length; i++) _machine.Memory.TryWrite(at + i, bytes[taken++]);
            at += length + 77;
        }
        Assert.Equal(bytes.Length, taken);
        _gpu.Create(1, Bgrx, 40, 30);
        Assert.Equal(GpuClient.Ok, _gpu.Attach(1, [.. ranges]));
        _gpu.SetScanout(0, 1, 0, 0, 40, 30);

        Assert.Equal(GpuClient.Ok, _gpu.Transfer(1, 0, 0, 0, 40, 30));

        Size();
        Assert.Equal(Enumerable.Range(0, 40 * 30).Select(PixelOf), _frame.Pixels.ToArray());
        // Line by line, from another place.
        Assert.Equal(GpuClient.Ok, _gpu.Transfer(1, 4 * 41, 0, 0, 39, 29));
        Size();
        Assert.Equal(PixelOf(41), _frame.Row(0)[0]);
        Assert.Equal(PixelOf((29 * 40) + 39), _frame.Row(28)[38]);
        Assert.Equal(PixelOf((28 * 40) + 39), _frame.Row(28)[39]);
    }

    // §5.7.6.8: enum virtio_gpu_formats, by the order of the bytes.
    [Theory]
    [InlineData(1u, 0x30, 0x20, 0x10, 0xff)]
    [InlineData(2u, 0x30, 0x20, 0x10, 0x77)]
    [InlineData(3u, 0xff, 0x10, 0x20, 0x30)]
    [InlineData(4u, 0x77, 0x10, 0x20, 0x30)]
    [InlineData(67u, 0x10, 0x20, 0x30, 0xff)]
    [InlineData(68u, 0x77, 0x30, 0x20, 0x10)]
    [InlineData(121u, 0xff, 0x30, 0x20, 0x10)]
    [InlineData(134u, 0x10, 0x20, 0x30, 0x77)]
    public void Every_format_shows_its_colours(uint format, byte first, byte second, byte third, byte fourth)
    {
        Assert.Equal(GpuClient.Ok, _gpu.Create(1, format, 64, 64));
        _gpu.Attach(1, (Pixels, 64 * 64 * 4));
        uint pixel = (uint)(first | second << 8 | third << 16 | fourth << 24);
        for (uint i = 0; i < 64 * 64; i++) _machine.Memory.TryWrite(Pixels + (4 * i), pixel);
        _gpu.Transfer(1, 0, 0, 0, 64, 64);
        _gpu.SetScanout(0, 1, 0, 0, 64, 64);
        Size();
        Assert.Equal(0x10_2030u, _frame.Row(63)[63]);
        // As a pointer it is opaque: those with transparency say so themselves.
        Assert.Equal(GpuClient.Ok, _gpu.UpdateCursor(0, 0, 0, 1));
        Size();
        Assert.Equal(0x10_2030u, _frame.Row(0)[0]);
    }

    // §5.7.6.5, §5.7.6.7: a fence is in the answer, of commands that fail too.
    [Fact]
    public void Fences_come_back()
    {
        foreach (uint type in (uint[])[0x100, 0x102, 0x555])
        {
            byte[] command = GpuClient.Command(type, flags: 3, fence: 0x1122_3344_5566_7788, 99, 0);
            command[16] = 5;
            _gpu.Send(GpuClient.Control, command);
            Assert.Equal(1u, _gpu.Word(4));
            Assert.Equal(0x1122_3344_5566_7788UL, BinaryPrimitives.ReadUInt64LittleEndian(_gpu.Last.AsSpan(8)));
            Assert.Equal(5u, _gpu.Word(16));
        }
        _gpu.Send(GpuClient.Control, GpuClient.Command(0x100, flags: 0, fence: 7));
        Assert.Equal((0u, 0u), (_gpu.Word(4), _gpu.Word(8)));
    }

    // §5.7.6.6, §5.7.6.10: the pointer's picture is a copy, it moves, and it may be partly outside.
    [Fact]
    public void The_pointer_is_drawn_over_the_picture()
    {
        _gpu.Create(1, Bgrx, 100, 100);
        _gpu.Attach(1, (Pixels, 100 * 100 * 4));
        for (uint i = 0; i < 100 * 100; i++) _machine.Memory.TryWrite(Pixels + (4 * i), 0x00c8_6432u);
        _gpu.Transfer(1, 0, 0, 0, 100, 100);
        _gpu.SetScanout(0, 1, 0, 0, 100, 100);
        _gpu.Create(2, Bgra, 64, 64);
        _gpu.Attach(2, (Pixels, 64 * 64 * 4));
        // White, half of it transparent, multiplied already.
        for (uint i = 0; i < 64 * 64; i++) _machine.Memory.TryWrite(Pixels + (4 * i), i % 2 == 0 ? 0xffff_ffffu : 0x8080_8080u);
        _gpu.Transfer(2, 0, 0, 0, 64, 64);

        Assert.Equal(GpuClient.Ok, _gpu.UpdateCursor(0, 10, 20, 2));
        // It was copied: the resource may go.
        Assert.Equal(GpuClient.Ok, _gpu.Unreference(2));

        Size();
        Assert.Equal((0xc8_6432u, 0xff_ffffu, 0xe4_b299u, 0xc8_6432u), (_frame.Row(20)[9], _frame.Row(20)[10], _frame.Row(83)[73], _frame.Row(84)[73]));
        Assert.Equal(GpuClient.Ok, _gpu.MoveCursor(0, unchecked((uint)-62), unchecked((uint)-63)));
        Size();
        Assert.Equal((0xff_ffffu, 0xe4_b299u, 0xc8_6432u), (_frame.Row(0)[0], _frame.Row(0)[1], _frame.Row(0)[2]));
        foreach ((uint x, uint y) in ((uint, uint)[])[(99, 99), (100, 100), (int.MaxValue, int.MaxValue), (0x8000_0000, 0x8000_0000), (uint.MaxValue, 0)])
        {
            Assert.Equal(GpuClient.Ok, _gpu.MoveCursor(0, x, y));
            Size();
        }
        Assert.Equal(GpuClient.Ok, _gpu.UpdateCursor(0, 0, 0, 0));
        Size();
        Assert.Equal(0xc8_6432u, _frame.Row(0)[0]);
    }

    // §5.7.6.10: what makes no pointer.
    [Fact]
    public void Pointers_that_cannot_be_are_refused()
    {
        _gpu.Create(1, Bgra, 64, 63);
        Assert.Equal(GpuClient.BadParameter, _gpu.UpdateCursor(0, 0, 0, 1));
        Assert.Equal(GpuClient.BadResource, _gpu.UpdateCursor(0, 0, 0, 2));
        Assert.Equal(GpuClient.BadScanout, _gpu.UpdateCursor(1, 0, 0, 1));
        Assert.Equal(GpuClient.BadScanout, _gpu.MoveCursor(1, 0, 0));
        // Each queue has its commands, and Linux gives no room for answers on this one.
        Assert.Equal(GpuClient.Unspecified, _gpu.AskCursor(0x100));
        Assert.Equal(GpuClient.Unspecified, _gpu.Ask(0x301, 0, 0, 0, 0, 0, 0, 0, 0));
        Assert.Equal(0u, _gpu.Send(GpuClient.Cursor, GpuClient.Command(0x301, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0), room: 0));
    }

    // §5.7.6.8: VIRTIO_GPU_CMD_RESOURCE_CREATE_2D.
    [Fact]
    public void Resources_that_cannot_be_are_refused()
    {
        Assert.Equal(GpuClient.BadResource, _gpu.Create(0, Bgra, 8, 8));
        foreach (uint format in (uint[])[0, 5, 66, 69, 120, 122, 133, uint.MaxValue]) Assert.Equal(GpuClient.BadParameter, _gpu.Create(1, format, 8, 8));
        foreach ((uint width, uint height) in ((uint, uint)[])[(0, 8), (8, 0), (16385, 1), (1, 16385), (uint.MaxValue, uint.MaxValue), (0x4000_0001, 4)])
            Assert.Equal(GpuClient.BadParameter, _gpu.Create(1, Bgra, width, height));
        Assert.Equal(GpuClient.Ok, _gpu.Create(1, Bgra, 8, 8));
        Assert.Equal(GpuClient.BadResource, _gpu.Create(1, Bgra, 8, 8));
        Assert.Equal(GpuClient.Ok, _gpu.Unreference(1));
        Assert.Equal(GpuClient.BadResource, _gpu.Unreference(1));
        Assert.Equal(GpuClient.Ok, _gpu.Create(1, Bgra, 8, 8));
    }

    // §5.7.6.7: VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY. 256 MiB and 1024 resources are all.
    [Fact]
    public void What_a_driver_takes_of_the_host_is_bounded()
    {
        Assert.Equal(GpuClient.OutOfMemory, _gpu.Create(1, Bgra, 16384, 4097));
        Assert.Equal(GpuClient.Ok, _gpu.Create(1, Bgra, 16384, 4095));
        Assert.Equal(GpuClient.OutOfMemory, _gpu.Create(2, Bgra, 16384, 2));
        Assert.Equal(GpuClient.Ok, _gpu.Create(2, Bgra, 16384, 1));
        // Lists count too.
        Assert.Equal(GpuClient.OutOfMemory, _gpu.Attach(1, (Pixels, 4096)));
        Assert.Equal(GpuClient.Ok, _gpu.Unreference(2));
        Assert.Equal(GpuClient.Ok, _gpu.Attach(1, (Pixels, 4096)));
        Assert.Equal(GpuClient.OutOfMemory, _gpu.Create(2, Bgra, 16384, 1));
        Assert.Equal(GpuClient.Ok, _gpu.Detach(1));
        Assert.Equal(GpuClient.Ok, _gpu.Create(2, Bgra, 16384, 1));
        Assert.Equal(GpuClient.Ok, _gpu.Unreference(1));
        for (uint id = 3; id < 3 + 1023; id++) Assert.Equal(GpuClient.Ok, _gpu.Create(id, Bgra, 1, 1));
        Assert.Equal(GpuClient.OutOfMemory, _gpu.Create(5000, Bgra, 1, 1));
        // A reset gives all of it back.
        _driver.Bring(2, Version1);
        Assert.Equal(GpuClient.Ok, _gpu.Create(1, Bgra, 16384, 4096));
    }

    // §5.7.6.8: VIRTIO_GPU_CMD_RESOURCE_ATTACH_BACKING and DETACH_BACKING.
    [Fact]
    public void Backing_that_cannot_be_is_refused()
    {
        _gpu.Create(1, Bgra, 8, 8);
        Assert.Equal(GpuClient.BadResource, _gpu.Attach(2, (Pixels, 4096)));
        Assert.Equal(GpuClient.BadParameter, _gpu.Attach(1));
        Assert.Equal(GpuClient.BadParameter, _gpu.Attach(1, (Pixels, 0)));
        // Half of it, and all of it, outside memory.
        Assert.Equal(GpuClient.BadParameter, _gpu.Attach(1, (Pixels, 4096), ((32 << 20) - 64, 128)));
        Assert.Equal(GpuClient.BadParameter, _gpu.Attach(1, (0xfee0_0000, 4096)));
        Assert.Equal(GpuClient.BadParameter, _gpu.Attach(1, (Pixels, uint.MaxValue)));
        Assert.Equal(GpuClient.BadParameter, _gpu.Ask(0x106, 1, 1, uint.MaxValue, uint.MaxValue, 4096, 0));
        // More entries than follow, and than may be.
        foreach (uint count in (uint[])[2, 16385, 0x1000_0001, uint.MaxValue]) Assert.Equal(GpuClient.BadParameter, _gpu.Ask(0x106, 1, count, Pixels, 0, 4096, 0));
        Assert.Equal(GpuClient.Unspecified, _gpu.Detach(1));
        Assert.Equal(GpuClient.BadResource, _gpu.Detach(2));
        Assert.Equal(GpuClient.Unspecified, _gpu.Transfer(1, 0, 0, 0, 8, 8));
        Assert.Equal(GpuClient.Ok, _gpu.Attach(1, (Pixels, 4096)));
        Assert.Equal(GpuClient.Unspecified, _gpu.Attach(1, (Pixels, 4096)));
        Assert.Equal(GpuClient.Ok, _gpu.Detach(1));
        Assert.Equal(GpuClient.Unspecified, _gpu.Transfer(1, 0, 0, 0, 8, 8));
    }

    // §5.7.6.8: 16384 entries are the most, and lie in a request of 256 KiB.
    [Fact]
    public void A_list_may_be_long()
    {
        const uint list = 0x100_0000, entries = 16384;
        _gpu.Create(1, Bgrx, 128, 128);
        Fill(128 * 128);
        for (uint i = 0; i < entries; i++)
        {
            _machine.Memory.TryWrite(list + (16 * i), (ulong)(Pixels + (4 * i)));
            _machine.Memory.TryWrite(list + (16 * i) + 8, 4UL);
        }
        const ulong header = 0x38_0000, answer = 0x38_1000;
        byte[] command = GpuClient.Command(0x106, 0, 0, 1, entries);
        for (int i = 0; i < command.Length; i += 4) _machine.Memory.TryWrite(header + (ulong)i, BitConverter.ToUInt32(command, i));
        _driver.Submit(0, (header, (uint)command.Length, false), (list, entries * 16, false), (answer, 24, true));
        Assert.Equal(24u, _driver.WaitUsed(0));
        Assert.True(_machine.Memory.TryRead(answer, out uint code) && code == GpuClient.Ok, $"0x{code:x}");

        Assert.Equal(GpuClient.Ok, _gpu.Transfer(1, 0, 0, 0, 128, 128));
        Assert.Equal(GpuClient.Ok, _gpu.Transfer(1, 4, 0, 0, 127, 127));
        Assert.Equal(GpuClient.Ok, _gpu.SetScanout(0, 1, 0, 0, 128, 128));
        Size();
        Assert.Equal((PixelOf(1), PixelOf((126 * 128) + 127), PixelOf((127 * 128) + 127)), (_frame.Row(0)[0], _frame.Row(126)[126], _frame.Row(127)[127]));
    }

    // §5.7.6.8: rectangles must be covered by the resource; sums of theirs wrap.
    [Fact]
    public void Rectangles_outside_are_refused()
    {
        _gpu.Create(1, Bgra, 100, 50);
        _gpu.Attach(1, (Pixels, 100 * 50 * 4));
        foreach ((uint x, uint y, uint width, uint height) in ((uint, uint, uint, uint)[])
            [(0, 0, 101, 50), (0, 0, 100, 51), (1, 0, 100, 50), (0, 1, 100, 50), (101, 0, 0, 1), (uint.MaxValue, 0, 2, 1), (0, uint.MaxValue, 1, 2), (1, 1, uint.MaxValue, uint.MaxValue), (0x8000_0000, 0, 0x8000_0000, 1)])
        {
            Assert.Equal(GpuClient.BadParameter, _gpu.Transfer(1, 0, x, y, width, height));
            Assert.Equal(GpuClient.BadParameter, _gpu.Flush(1, x, y, width, height));
            Assert.Equal(GpuClient.BadParameter, _gpu.SetScanout(0, 1, x, y, width, height));
        }
        // A picture without pixels is none, but nothing can be transferred.
        Assert.Equal(GpuClient.BadParameter, _gpu.SetScanout(0, 1, 0, 0, 0, 50));
        Assert.Equal(GpuClient.Ok, _gpu.Transfer(1, ulong.MaxValue, 100, 50, 0, 0));
        // The backing ends before the part does, or the sum wraps.
        foreach (ulong offset in (ulong[])[1, 4, 20_000, 1UL << 32, ulong.MaxValue, ulong.MaxValue - 19_999]) Assert.Equal(GpuClient.BadParameter, _gpu.Transfer(1, offset, 0, 0, 100, 50));
        Assert.Equal(GpuClient.Ok, _gpu.Transfer(1, 19_996, 0, 0, 1, 1));
        Assert.Equal(GpuClient.BadScanout, _gpu.SetScanout(1, 1, 0, 0, 100, 50));
        Assert.Equal(GpuClient.BadResource, _gpu.SetScanout(0, 2, 0, 0, 100, 50));
        Assert.Equal(GpuClient.BadResource, _gpu.Flush(2, 0, 0, 1, 1));
        Assert.Equal(GpuClient.BadResource, _gpu.Transfer(2, 0, 0, 0, 1, 1));
        // More than a viewer can be shown.
        _gpu.Create(2, Bgra, 4097, 1);
        Assert.Equal(GpuClient.BadParameter, _gpu.SetScanout(0, 2, 0, 0, 4097, 1));
        Assert.Equal(GpuClient.Ok, _gpu.SetScanout(0, 2, 1, 0, 4096, 1));
        Assert.Equal((4096, 1), Size());
    }

    // §5.7.4.2: VIRTIO_GPU_EVENT_DISPLAY, by an interrupt of the configuration; events_clear takes it away (§5.7.4.1).
    [Fact]
    public void Another_size_is_told_to_the_driver()
    {
        ulong events = _driver.Device;
        Assert.True(Screen.AskForSize(1000, 700));
        Assert.True(_machine.Router.WaitOne());
        Assert.Equal(0x40u, _machine.Router.Messages[^1].Data);
        Assert.Equal(1UL, _machine.Load(events, 4));
        Assert.Equal(0x1101u, _gpu.Ask(0x100));
        Assert.Equal((1000u, 700u), (_gpu.Word(32), _gpu.Word(36)));
        byte[] expected = new byte[128];
        Hutch.Devices.Display.Edid.Write(expected, 1000, 700);
        _gpu.Ask(0x10a, 0, 0);
        Assert.Equal(expected, _gpu.Last[32..160]);
        _machine.Store(events + 4, 2, 4);
        Assert.Equal(1UL, _machine.Load(events, 4));
        _machine.Store(events + 4, 1, 4);
        Assert.Equal(0UL, _machine.Load(events, 4));
        // The same again is nothing new, and what is too much becomes what can be.
        Assert.True(Screen.AskForSize(1000, 700));
        Assert.Equal(0UL, _machine.Load(events, 4));
        Assert.True(Screen.AskForSize(0, 65535));
        _gpu.Ask(0x100);
        Assert.Equal((64u, 2160u), (_gpu.Word(32), _gpu.Word(36)));

        // It is part of the state, and a machine that stands still hears nothing.
        _device.Stop();
        Assert.False(Screen.AskForSize(800, 600));
        byte[] saved = Save();
        _device.Reset();
        Assert.Equal((640, 480), Size());
        _device.Exchange(new StateReader("gpu0", saved));
        Assert.Equal(saved, Save());
        Assert.Equal((64, 2160), Size());
        _device.Start();
        Assert.Equal(1UL, _machine.Load(events, 4));
    }

    // §5.7.6.7: commands that are too short, unknown, or of features that were not offered, and answers without room.
    [Fact]
    public void Every_length_of_a_command_is_answered()
    {
        uint[] types = [0x100, 0x101, 0x102, 0x103, 0x104, 0x105, 0x106, 0x107, 0x10a, 0x300, 0x301];
        foreach (uint type in types)
            for (int length = 1; length < 60; length++)
            {
                byte[] command = GpuClient.Command(type, 0, 0, new uint[9])[..length];
                int queue = type >= 0x300 ? GpuClient.Cursor : GpuClient.Control;
                uint code = _gpu.Send(queue, command);
                if (length < 24) Assert.Equal(GpuClient.Unspecified, code);
                else Assert.InRange(code, 0x1100u, 0x1205u);
            }
        foreach (uint type in (uint[])[0, 0xff, 0x108, 0x109, 0x10b, 0x10c, 0x10d, 0x200, 0x207, 0x302, 0x1100, uint.MaxValue]) Assert.Equal(GpuClient.Unspecified, _gpu.Ask(type, new uint[16]));
        for (int room = 0; room < 30; room++)
        {
            _gpu.Send(GpuClient.Control, GpuClient.Command(0x100, 0, 0), room);
            Assert.Equal(room, _gpu.Last.Length);
        }
    }

    // §5.7.6.8: VIRTIO_GPU_CMD_RESOURCE_UNREF of what is shown.
    [Fact]
    public void The_display_goes_dark_with_its_resource()
    {
        _gpu.Create(1, Bgra, 64, 64);
        _gpu.SetScanout(0, 1, 0, 0, 64, 64);
        Assert.Equal((64, 64), Size());
        Assert.Equal(GpuClient.Ok, _gpu.Unreference(1));
        Assert.Equal((640, 480), Size());
        // A reset does so too.
        _gpu.Create(1, Bgra, 64, 64);
        _gpu.SetScanout(0, 1, 0, 0, 64, 64);
        _machine.Store(_driver.Common + 0x14, 0, 1);
        Assert.Equal((640, 480), Size());
        Assert.False(Screen.IsDriven);
    }

    [Fact]
    public void Everything_survives_a_save()
    {
        Fill(64 * 64);
        // The order in which they were made is not that of their numbers.
        _gpu.Create(9, Bgrx, 37, 41);
        _gpu.Attach(9, (Pixels, 100), (Pixels + 100, 37 * 41 * 4));
        _gpu.Transfer(9, 0, 0, 0, 37, 41);
        _gpu.Create(3, 67, 64, 64);
        _gpu.Attach(3, (Pixels, 64 * 64 * 4));
        _gpu.Transfer(3, 0, 0, 0, 64, 64);
        _gpu.Create(5, Bgra, 2000, 3);
        _gpu.SetScanout(0, 9, 2, 3, 30, 31);
        _gpu.UpdateCursor(0, 7, unchecked((uint)-5), 3);
        // What was transferred stays whatever the guest does to its memory.
        for (uint i = 0; i < 64 * 64; i++) _machine.Memory.TryWrite(Pixels + (4 * i), 0u);
        Size();
        uint[] picture = _frame.Pixels.ToArray();
        _device.Stop();
        byte[] saved = Save();
        Assert.Equal(saved, Save());
        _device.Reset();
        Assert.NotEqual(saved, Save());
        _device.Exchange(new StateReader("gpu0", saved));
        Assert.Equal(saved, Save());
        // Onto itself too.
        _device.Exchange(new StateReader("gpu0", saved));
        Assert.Equal(saved, Save());
        _device.Start();
        Size();
        Assert.Equal(picture, _frame.Pixels.ToArray());
        Assert.Equal(GpuClient.Ok, _gpu.Transfer(9, 0, 0, 0, 37, 41));
        Assert.Equal(GpuClient.Ok, _gpu.UpdateCursor(0, 0, 0, 0));
        Size();
        Assert.False(_frame.Pixels.ContainsAnyExcept(0u));
        Assert.Equal(GpuClient.BadResource, _gpu.Create(5, Bgra, 8, 8));
    }

    [Fact]
    public void Damaged_states_are_refused_with_a_sentence()
    {
        Fill(64 * 64);
        _gpu.Create(1, Bgra, 64, 64);
        _gpu.Attach(1, (Pixels, 64 * 64 * 4));
        _gpu.Transfer(1, 0, 0, 0, 64, 64);
        _gpu.SetScanout(0, 1, 0, 0, 64, 64);
        _gpu.UpdateCursor(0, 0, 0, 1);
        _device.Stop();
        byte[] good = Save();
        Random random = new(5);
        int refused = 0;
        for (int round = 0; round < 1000; round++)
        {
            byte[] bad = (byte[])good.Clone();
            // Most of it is pixels: what is around them is looked for.
            int at = round % 2 == 0 ? random.Next(bad.Length) : good.AsSpan().IndexOf(random.Next(2) == 0 ? "resources"u8 : "scanout"u8) + random.Next(100);
            bad[at] ^= (byte)(1 << random.Next(8));
            try
            {
                _device.Exchange(new StateReader("gpu0", bad));
            }
            catch (StateException)
            {
                refused++;
            }
            Size();
        }
        Assert.InRange(refused, 30, 999);
        _device.Exchange(new StateReader("gpu0", good));
        Assert.Equal(good, Save());
    }

    [Theory]
    [InlineData(63, 480)]
    [InlineData(3841, 480)]
    [InlineData(640, 2161)]
    public void Sizes_that_cannot_be_are_refused(int width, int height) =>
        Assert.Contains("pixels", Assert.Throws<ConfigException>(() => DeviceFactories.Create(new VirtioGpuConfig("gpu1", width, height), _machine.Services)).Message, StringComparison.Ordinal);

    public void Dispose()
    {
        _device.Dispose();
        // Viewers may be there longer.
        Screen.Draw(_frame);
        _machine.Dispose();
    }

    private static uint PixelOf(int index) => (uint)((index * 7919) + 1) & 0xff_ffff;

    private void Fill(int count)
    {
        for (int i = 0; i < count; i++) _machine.Memory.TryWrite(Pixels + (4 * (ulong)i), PixelOf(i) | 0x4200_0000);
    }

    private (int Width, int Height) Size()
    {
        Screen.Draw(_frame);
        return (_frame.Width, _frame.Height);
    }

    private byte[] Save()
    {
        StateWriter writer = new("gpu0");
        _device.Exchange(writer);
        return writer.Body.ToArray();
    }
}
