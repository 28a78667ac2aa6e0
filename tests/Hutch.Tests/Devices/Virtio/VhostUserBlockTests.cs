using System;
using System.Buffers.Binary;
using Hutch.Dev.DeviceFuzz;
using Hutch.Devices;
using Hutch.Model.Machine;
using Xunit;

namespace Hutch.Tests.Devices.Virtio;

/// <summary>The device of virtio 1.2 §5.2 with a back end (QEMU docs/interop/vhost-user) that the test is. What all such devices do is held by the tests of the file system.</summary>
public sealed class VhostUserBlockTests : IDisposable
{
    private const ulong Version1 = 1UL << 32, EventIndex = 1UL << 29, Protocol = 1UL << 30, ReadOnly = 1UL << 5, Flush = 1UL << 9, Discard = 1UL << 13, MultiQueue = 1UL << 12, ZoneFeature = 1UL << 17;
    private const ulong Header = 0x20_0000, Data = 0x21_0000, Status = 0x22_0000;

    private readonly VhostPeer _peer = new() { Features = Version1 | Protocol | ReadOnly | Flush | Discard | MultiQueue | ZoneFeature, Protocol = 1UL << 9, QueueCount = 1, Config = Space() };
    private readonly TestMachine _machine;
    private readonly IDevice _device;
    private readonly VirtioDriver _driver;

    public VhostUserBlockTests()
    {
        _machine = new TestMachine(streams: _peer);
        _device = DeviceFactories.Create(new VhostUserBlockConfig("disk", "/b"), _machine.Services);
        _machine.Pci.AssignResources(0, 0);
        _device.Start();
        _driver = new VirtioDriver(_machine, 1);
    }

    public void Dispose()
    {
        _device.Dispose();
        _machine.Dispose();
    }

    [Fact]
    public void The_disk_is_what_the_back_end_says_as_far_as_it_can_be_carried()
    {
        Assert.Equal(0x1042_1af4u, _machine.ReadConfig(1, 0));
        // Sizes of segments are bounded by this side; other queues and zones are not carried (§5.2.3).
        Assert.Equal((1UL << 1) | (1UL << 2) | ReadOnly | Flush | Discard, _driver.OfferedFeatures() & 0xff_ffff);
        // Capacity, size_max, seg_max, blk_size, max_discard_sectors (§5.2.4).
        Assert.Equal(0x1234_5678UL, _machine.Load(_driver.Device, 8));
        Assert.Equal(32768UL, _machine.Load(_driver.Device + 8, 4));
        Assert.Equal(126UL, _machine.Load(_driver.Device + 12, 4));
        Assert.Equal(4096UL, _machine.Load(_driver.Device + 20, 4));
        Assert.Equal(77UL, _machine.Load(_driver.Device + 36, 4));
    }

    [Theory]
    [InlineData(Flush)]
    [InlineData(0UL)]
    public void The_back_end_hears_whether_the_driver_flushes(ulong used)
    {
        _driver.Bring(1, Version1 | EventIndex | used);
        Assert.Equal(Version1 | Protocol | used, _peer.Accepted);
    }

    [Fact]
    public void A_read_brings_data_and_the_status()
    {
        _driver.Bring(1, Version1 | EventIndex);
        Submit();
        ushort head = Take();
        Assert.Equal(16, _peer.Chain(0, head)[0].Length);
        Write(head, 1, "data"u8);
        Write(head, 2, [7]);
        // Some say how much they read and leave out the status behind it (§2.7.8.2).
        _peer.Use(0, head, 4);
        _peer.Rings[0].Wake();
        Assert.Equal(4u, _driver.WaitUsed(0));
        byte[] read = new byte[4];
        Assert.True(_machine.Memory.TryCopyOut(Data, read));
        Assert.Equal("data"u8.ToArray(), read);
        Assert.True(_machine.Memory.TryRead(Status, out byte status));
        Assert.Equal(7, status);
    }

    [Fact]
    public void Requests_fail_when_the_back_end_has_gone()
    {
        _driver.Bring(1, Version1 | EventIndex);
        Submit();
        _ = Take();
        _peer.HasLeft = true;
        _driver.Kick(0);
        Assert.Equal(0u, _driver.WaitUsed(0));
        // VIRTIO_BLK_S_IOERR (§5.2.6).
        Assert.True(_machine.Memory.TryRead(Status, out byte status));
        Assert.Equal(1, status);
        _driver.Submit(0, (Header, 16, false), (Status, 1, true));
        Assert.Equal(1u, _driver.WaitUsed(0));
        Assert.Single(_machine.Platform.Failures);
    }

    [Fact]
    public void A_back_end_that_does_not_say_what_its_disk_is_is_refused()
    {
        using TestMachine machine = new(streams: new VhostPeer());
        Assert.Contains("the program at /b does not tell the configuration of its device", Assert.Throws<ConfigException>(() => DeviceFactories.Create(new VhostUserBlockConfig("disk", "/b"), machine.Services)).Message, StringComparison.Ordinal);
    }

    private static byte[] Space()
    {
        byte[] space = new byte[60];
        BinaryPrimitives.WriteUInt64LittleEndian(space, 0x1234_5678);
        BinaryPrimitives.WriteUInt32LittleEndian(space.AsSpan(12), 5000);
        BinaryPrimitives.WriteUInt32LittleEndian(space.AsSpan(20), 4096);
        BinaryPrimitives.WriteUInt32LittleEndian(space.AsSpan(36), 77);
        return space;
    }

    private void Submit()
    {
        _machine.Memory.TryWrite(Status, (byte)0xff);
        _driver.Submit(0, (Header, 16, false), (Data, 512, true), (Status, 1, true));
    }

    private ushort Take() => BackEndTurns.Take(_peer, 0);

    private void Write(ushort head, int buffer, ReadOnlySpan<byte> data) => _peer.Write(_peer.Chain(0, head)[buffer].Address, data);
}
