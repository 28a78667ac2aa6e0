using System;
using System.Text;
using Hutch.Devices;
using Hutch.Model.Machine;
using Xunit;

namespace Hutch.Tests.Devices.Virtio;

/// <summary>The console with one port (virtio 1.2 §5.3).</summary>
public sealed class VirtioConsoleTests : IDisposable
{
    private const ulong Input = 0x20_0000, Output = 0x22_0000;

    private readonly LoopChannel _channel = new();
    private readonly TestMachine _machine;
    private readonly IDevice _device;
    private readonly VirtioDriver _driver;

    public VirtioConsoleTests()
    {
        _machine = new TestMachine(channel: _channel);
        _device = DeviceFactories.Create(new VirtioConsoleConfig("console0", new CharacterBackend(CharacterBackendKind.None)), _machine.Services);
        _machine.Pci.AssignResources(0, 0);
        _device.Start();
        _driver = new VirtioDriver(_machine, 1);
        _driver.Bring(2, (1UL << 32) | (1UL << 29));
    }

    // virtio 1.2 §5.3.6: the transmit queue.
    [Fact]
    public void Output_reaches_the_channel_in_order()
    {
        _machine.Memory.TryCopyIn(Output, "Hello, world"u8);
        _driver.Submit(1, (Output, 5, false), (Output + 5, 7, false));
        Assert.Equal(0u, _driver.WaitUsed(1));
        _driver.Submit(1, (Output, 1, false));
        _ = _driver.WaitUsed(1);
        Assert.Equal("Hello, worldH", _channel.Output);
    }

    // virtio 1.2 §5.3.6: the receive queue.
    [Fact]
    public void Input_reaches_the_buffers_that_wait()
    {
        _driver.Submit(0, (Input, 16, true));
        Assert.Equal(5, _channel.Type("lines"u8));
        Assert.Equal(5u, _driver.WaitUsed(0));
        Assert.Equal("lines", Text(5));
    }

    [Fact]
    public void Input_waits_for_buffers_and_is_cut_to_them()
    {
        Assert.Equal(5, _channel.Type("abcde"u8));
        _driver.Submit(0, (Input, 3, true));
        Assert.Equal(3u, _driver.WaitUsed(0));
        Assert.Equal("abc", Text(3));
        _driver.Submit(0, (Input, 3, true));
        Assert.Equal(2u, _driver.WaitUsed(0));
        Assert.Equal("de", Text(2));
    }

    [Fact]
    public void A_full_buffer_refuses_and_asks_again_when_there_is_room()
    {
        byte[] flood = new byte[5000];
        Assert.Equal(4096, _channel.Type(flood));
        Assert.Equal(0, _channel.Type(flood));
        Assert.Equal(0, _channel.Resumes);
        _driver.Submit(0, (Input, 4096, true));
        Assert.Equal(4096u, _driver.WaitUsed(0));
        Assert.Equal(1, _channel.Resumes);
        Assert.Equal(1, _channel.Type([1]));
    }

    [Fact]
    public void What_was_typed_survives_a_reset_by_the_driver_but_not_of_the_machine()
    {
        _ = _channel.Type("kept"u8);
        _driver.Bring(2, 1UL << 32);
        _driver.Submit(0, (Input, 16, true));
        Assert.Equal(4u, _driver.WaitUsed(0));

        _ = _channel.Type("lost"u8);
        _device.Stop();
        _device.Reset();
        _device.Start();
        _driver.Bring(2, 1UL << 32);
        _driver.Submit(0, (Input, 16, true));
        _ = _channel.Type("new"u8);
        Assert.Equal(3u, _driver.WaitUsed(0));
        Assert.Equal("new", Text(3));
    }

    [Fact]
    public void Work_that_arrives_while_stopped_is_done_after_the_start()
    {
        _device.Stop();
        _machine.Memory.TryCopyIn(Output, "later"u8);
        _driver.Submit(1, (Output, 5, false));
        Assert.False(_driver.TryTakeUsed(1, out _, out _));
        Assert.Equal("", _channel.Output);
        _device.Start();
        _ = _driver.WaitUsed(1);
        Assert.Equal("later", _channel.Output);
    }

    // virtio 1.2 §5.3.4: max_nr_ports.
    [Fact]
    public void Has_one_port() => Assert.Equal(1UL, _machine.Load(_driver.Device + 4, 4));

    // virtio 1.2 §5.3.1 (device 3), §5.3.2 (queues 0 and 1), §5.3.4: cols and rows say nothing without their feature, and the configuration is the device's.
    [Fact]
    public void The_configuration_cannot_be_written()
    {
        Assert.Equal(0x1043u, _machine.ReadConfig(1, 2, 2));
        Assert.Equal(0UL, _driver.OfferedFeatures() & 1);
        Assert.Equal(0UL, _machine.Load(_driver.Device, 4));
        ulong ports = _machine.Load(_driver.Device + 4, 4);
        _machine.Store(_driver.Device, uint.MaxValue, 4);
        _machine.Store(_driver.Device + 4, uint.MaxValue, 4);
        Assert.Equal((0UL, ports), (_machine.Load(_driver.Device, 4), _machine.Load(_driver.Device + 4, 4)));
        Assert.Equal("", _channel.Output);
    }

    [Fact]
    public void Closes_its_channel()
    {
        _device.Dispose();
        Assert.True(_channel.IsDisposed);
    }

    public void Dispose()
    {
        _device.Dispose();
        _machine.Dispose();
    }

    private string Text(int length)
    {
        byte[] data = new byte[length];
        _machine.Memory.TryCopyOut(Input, data);
        return Encoding.ASCII.GetString(data);
    }
}
