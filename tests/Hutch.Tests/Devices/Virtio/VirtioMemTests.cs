using System;
using System.Buffers.Binary;
using System.Linq;
using Hutch.Core.Memory;
using Hutch.Core.State;
using Hutch.Devices;
using Hutch.Model.Control;
using Hutch.Model.Machine;
using Xunit;

namespace Hutch.Tests.Devices.Virtio;

/// <summary>The memory device (virtio 1.2 §5.15).</summary>
public sealed class VirtioMemTests : IDisposable
{
    private const ulong Version1 = 1UL << 32, Block = 4 << 20, Start = GuestMemory.HighMemoryStart, Region = 256 << 20;
    private const ulong Request = 0x20_0000, Response = 0x20_1000;
    private const int Ack = 0, Nack = 1, Error = 3;

    private readonly TestMachine _machine = new(pluggableBytes: Region);
    private readonly IDevice _device;
    private readonly VirtioDriver _driver;

    public VirtioMemTests()
    {
        _device = DeviceFactories.Create(new VirtioMemConfig("memory0"), _machine.Services);
        _machine.Pci.AssignResources(0, 0);
        _device.Start();
        _driver = new VirtioDriver(_machine, 1);
        _driver.Bring(1, Version1);
    }

    private IPluggableMemory Memory => _machine.Services.PluggableMemory!;

    [Fact]
    public void The_configuration_says_where_memory_goes_and_how_much_is_wanted()
    {
        Memory.SetTarget((10 << 20) + 1);
        // §5.15.4: block size, address, region, usable region, plugged, requested.
        Assert.Equal([Block, 0, Start, Region, Region, 0, 12 << 20], Enumerable.Range(0, 7).Select(field => _machine.Load(_driver.Device + (8 * (ulong)field), 8)));
        Memory.SetTarget(ulong.MaxValue);
        Assert.Equal(new PluggableMemoryInfo(Region, 0, Region), Memory.Look());
        Assert.Equal(2UL, _driver.OfferedFeatures() & 0xff);
    }

    // virtio 1.2 §5.15.6.3, §5.15.6.4, §5.15.6.6: plug, unplug, state.
    [Fact]
    public void Blocks_are_plugged_in_and_out_and_what_is_out_is_the_hosts()
    {
        Memory.SetTarget(4 * Block);
        Assert.Equal((Ack, 0), (Ask(0, Start + Block, 3), Ask(3, Start + Block, 3, out int state)));
        Assert.Equal(0, state);
        Assert.Equal(3 * Block, Memory.Look().PluggedBytes);
        for (ulong block = 1; block < 4; block++) _machine.Memory.TryWrite(Start + (block * Block), 0x5555UL);

        Assert.Equal(Ack, Ask(1, Start + (2 * Block), 1));

        Assert.Equal([0x5555UL, 0, 0x5555], Enumerable.Range(1, 3).Select(block => Load(Start + ((ulong)block * Block))));
        Assert.Equal(2 * Block, Memory.Look().PluggedBytes);
        Ask(3, Start + Block, 3, out state);
        Assert.Equal(2, state);
        Ask(3, Start + (8 * Block), 2, out state);
        Assert.Equal(1, state);
        Assert.Equal(Ack, Ask(2, 0, 0));
        Assert.Equal((0UL, 0UL), (Memory.Look().PluggedBytes, Load(Start + Block)));
    }

    // virtio 1.2 §5.15.6.3.2: VIRTIO_MEM_RESP_NACK.
    [Fact]
    public void No_more_is_plugged_in_than_is_wanted()
    {
        Memory.SetTarget(2 * Block);
        Assert.Equal((Nack, Ack, Nack), (Ask(0, Start, 3), Ask(0, Start, 2), Ask(0, Start + (2 * Block), 1)));
        // Less is wanted: what is plugged in stays until the guest gives it up.
        Memory.SetTarget(0);
        Assert.Equal(2 * Block, Memory.Look().PluggedBytes);
        Assert.Equal(Ack, Ask(1, Start + Block, 1));
    }

    // virtio 1.2 §4.1.4.5 (ISR status, bit 1): a driver that has not followed is told again, one that has is left alone.
    [Fact]
    public void A_driver_that_lags_behind_is_told_once_more_when_it_is_asked_once_more()
    {
        Assert.Equal([2UL, 2, 0], new[] { Told(2 * Block), Told(2 * Block), Followed() });

        ulong Followed()
        {
            Assert.Equal(Ack, Ask(0, Start, 2));
            _ = _machine.Load(_driver.Isr, 1);
            return Told(2 * Block);
        }
    }

    private ulong Told(ulong bytes)
    {
        Memory.SetTarget(bytes);
        return _machine.Load(_driver.Isr, 1) & 2;
    }

    // virtio 1.2 §5.15.6.2: VIRTIO_MEM_RESP_ERROR.
    [Theory]
    [InlineData(0, Start + 4096, 1)]
    [InlineData(0, Start - Block, 1)]
    [InlineData(0, 0, 1)]
    [InlineData(0, Start, 0)]
    [InlineData(0, Start, 65)]
    [InlineData(0, Start, 65535)]
    [InlineData(0, Start + Region, 1)]
    [InlineData(0, Start + Region - Block, 2)]
    [InlineData(0, ulong.MaxValue - Block + 1, 2)]
    [InlineData(0, Start + (1UL << 62), 1)]
    [InlineData(0, Start + Block, 1)]
    [InlineData(1, Start, 1)]
    [InlineData(1, Start, 2)]
    [InlineData(1, Start + Block, 2)]
    [InlineData(1, Start + Region, 1)]
    [InlineData(3, Start + Region, 1)]
    [InlineData(3, Start, 0)]
    [InlineData(4, Start, 1)]
    [InlineData(65535, Start, 1)]
    public void What_cannot_be_is_an_error_and_changes_nothing(int type, ulong address, int blocks)
    {
        Memory.SetTarget(Region);
        Assert.Equal(Ack, Ask(0, Start + Block, 1));
        Assert.Equal(Error, Ask(type, address, blocks));
        Assert.Equal(Block, Memory.Look().PluggedBytes);
    }

    [Fact]
    public void Requests_and_responses_of_any_length_are_answered()
    {
        Memory.SetTarget(Region);
        _driver.Submit(0, (Request, 10, false), (Response, 10, true));
        Assert.Equal(10u, _driver.WaitUsed(0));
        Assert.Equal(Error, (int)_machine.Memory16(Response));
        _driver.Submit(0, (Request, 24, false), (Response, 1, true));
        Assert.Equal(1u, _driver.WaitUsed(0));
        _driver.Submit(0, (Request, 24, false));
        Assert.Equal(0u, _driver.WaitUsed(0));
    }

    // virtio 1.2 §5.15.5.
    [Fact]
    public void A_reset_of_the_machine_takes_all_out_and_one_of_the_driver_nothing()
    {
        Memory.SetTarget(8 * Block);
        Assert.Equal(Ack, Ask(0, Start, 8));
        _driver.Bring(1, Version1);
        Assert.Equal(8 * Block, Memory.Look().PluggedBytes);
        _device.Stop();
        _device.Reset();
        _device.Start();
        // It is still wanted: the next driver plugs it in again.
        Assert.Equal(new PluggableMemoryInfo(8 * Block, 0, Region), Memory.Look());
    }

    [Fact]
    public void A_saved_state_is_restored_as_it_was_and_a_wrong_one_is_refused()
    {
        Memory.SetTarget(40 * Block);
        Assert.Equal((Ack, Ack), (Ask(0, Start + (5 * Block), 7), Ask(0, Start + (63 * Block), 1)));
        _device.Stop();
        byte[] first = Save(_device);
        using TestMachine other = new(pluggableBytes: Region);
        using IDevice back = DeviceFactories.Create(new VirtioMemConfig("memory0"), other.Services);
        other.Pci.AssignResources(0, 0);
        back.Exchange(new StateReader("memory0", first));
        Assert.Equal(first, Save(back));
        Assert.Equal(new PluggableMemoryInfo(40 * Block, 8 * Block, Region), other.Services.PluggableMemory!.Look());
        using TestMachine smaller = new(pluggableBytes: Region / 2);
        using IDevice no = DeviceFactories.Create(new VirtioMemConfig("memory0"), smaller.Services);
        Assert.Throws<StateException>(() => no.Exchange(new StateReader("memory0", first)));
        _device.Start();
    }

    [Fact]
    public void Random_requests_never_leave_the_region()
    {
        Random random = new(3);
        for (int i = 0; i < 20_000; i++)
        {
            if (i % 100 == 0) Memory.SetTarget((ulong)random.NextInt64((long)Region * 2));
            ulong address = random.Next(4) == 0 ? (ulong)random.NextInt64(long.MinValue, long.MaxValue) : Start + ((ulong)random.Next(70) * Block) - (random.Next(8) == 0 ? 1UL : 0);
            ulong before = Memory.Look().PluggedBytes;
            int answer = Ask(random.Next(64) == 0 ? 2 : random.Next(5) switch { 2 => 3, 4 => 9, int type => type }, address, random.Next(random.Next(8) == 0 ? 65536 : 8));
            PluggableMemoryInfo now = Memory.Look();
            Assert.InRange(now.PluggedBytes, 0UL, Region);
            Assert.True(answer is Ack or Nack or Error);
            if (answer != Ack) Assert.Equal(before, now.PluggedBytes);
            if (now.PluggedBytes > before) Assert.InRange(now.PluggedBytes, 0UL, now.RequestedBytes);
        }
    }

    [Fact]
    public void A_machine_has_one_such_device_and_memory_for_it()
    {
        Assert.Throws<ConfigException>(() => DeviceFactories.Create(new VirtioMemConfig("memory1"), _machine.Services));
        using TestMachine plain = new();
        Assert.Contains("max=SIZE", Assert.Throws<ConfigException>(() => DeviceFactories.Create(new VirtioMemConfig("memory1"), plain.Services)).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(32UL << 20, 0x1_0000_0000UL, (32UL << 20) + Region)]
    [InlineData(0xB000_0000UL, 0x1_0000_0000UL, 0xB000_0000UL + Region)]
    [InlineData(0xB000_1000UL, 0x1_0800_0000UL, 0xB000_0000UL + (128UL << 20) + Region)]
    [InlineData(4UL << 30, 0x1_5000_0000UL, (4UL << 30) + Region)]
    public void Memory_that_can_be_plugged_in_lies_behind_that_of_the_start(ulong bootBytes, ulong start, ulong lengthBytes)
    {
        using GuestMemory memory = GuestMemory.Create(bootBytes, Region, hugePages: false);
        Assert.Equal((bootBytes, start, Region, lengthBytes), (memory.BootBytes, memory.PluggableStart, memory.PluggableBytes, memory.LengthBytes));
        Assert.Equal(start + Region, memory.EndOfRam);
        Assert.True(memory.TryWrite(start + Region - 8, 7UL) && memory.TryRead(start + Region - 8, out ulong value) && value == 7);
        Assert.False(memory.IsRam(start + Region, 1));
        Assert.Equal(Math.Min(bootBytes, GuestMemory.LowMemoryLimit), memory.LowBytes);
    }

    public void Dispose()
    {
        _device.Dispose();
        _machine.Dispose();
    }

    private int Ask(int type, ulong address, int blocks) => Ask(type, address, blocks, out _);

    private int Ask(int type, ulong address, int blocks, out int state)
    {
        byte[] request = new byte[24];
        BinaryPrimitives.WriteUInt16LittleEndian(request, (ushort)type);
        BinaryPrimitives.WriteUInt64LittleEndian(request.AsSpan(8), address);
        BinaryPrimitives.WriteUInt16LittleEndian(request.AsSpan(16), (ushort)blocks);
        _machine.Memory.TryCopyIn(Request, request);
        _driver.Submit(0, (Request, 24, false), (Response, 10, true));
        Assert.Equal(10u, _driver.WaitUsed(0));
        state = _machine.Memory16(Response + 8);
        return _machine.Memory16(Response);
    }

    private ulong Load(ulong address)
    {
        Assert.True(_machine.Memory.TryRead(address, out ulong value));
        return value;
    }

    private static byte[] Save(IDevice device)
    {
        StateWriter writer = new("memory0");
        device.Exchange(writer);
        return writer.Body.ToArray();
    }
}
