using System;
using System.Buffers.Binary;
using System.Linq;
using Hutch.Devices;
using Hutch.Model.Control;
using Hutch.Model.Machine;
using Xunit;

namespace Hutch.Tests.Devices.Virtio;

/// <summary>The memory balloon (virtio 1.2 §5.5).</summary>
public sealed class VirtioBalloonTests : IDisposable
{
    private const ulong Version1 = 1UL << 32, Statistics = 1UL << 1, DeflateOnOom = 1UL << 2, Reporting = 1UL << 5;
    private const ulong Request = 0x20_0000, Pages = 0x100_0000;

    private readonly TestMachine _machine = new();
    private readonly IDevice _device;

    public VirtioBalloonTests()
    {
        _device = DeviceFactories.Create(new VirtioBalloonConfig("balloon0"), _machine.Services);
        _machine.Pci.AssignResources(0, 0);
        _device.Start();
    }

    private IBalloon Balloon => _machine.Services.Balloon!;

    // virtio 1.2 §5.5.6: inflate and deflate queues.
    [Fact]
    public void Pages_that_the_guest_gives_up_are_the_hosts()
    {
        VirtioDriver driver = Bring(Version1);
        for (ulong page = 0; page < 6; page++) _machine.Memory.TryWrite(Pages + (page * 4096), 0x5555UL);
        // Up, down, alone, twice, and a number that is no RAM.
        PutPages(0x1000, 0x1001, 0x1004, 0x1003, 0x1003, 0xffff_ffff);

        driver.Submit(0, (Request, 24, false));
        Assert.Equal(0u, driver.WaitUsed(0));

        Assert.Equal([0UL, 0, 0x5555, 0, 0, 0x5555], Enumerable.Range(0, 6).Select(page => Load(Pages + ((ulong)page * 4096))));
        driver.Submit(1, (Request, 24, false));
        Assert.Equal(0u, driver.WaitUsed(1));
    }

    // virtio 1.2 §5.5.4: num_pages, actual.
    [Fact]
    public void A_target_is_told_and_what_the_driver_says_is_known()
    {
        VirtioDriver driver = Bring(Version1);
        Assert.Equal(0UL, _machine.Load(driver.Device, 4));
        Balloon.SetTarget(8 << 20);
        Assert.Equal(2048UL, _machine.Load(driver.Device, 4));
        _machine.Store(driver.Device + 4, 1024, 4);
        Assert.Equal((8UL << 20, 4UL << 20), (Balloon.Look().TargetBytes, Balloon.Look().ActualBytes));
        // The target is the device's.
        _machine.Store(driver.Device, 77, 4);
        Assert.Equal(2048UL, _machine.Load(driver.Device, 4));
        Assert.Equal(0UL, _machine.Load(driver.Device + 14, 4));
    }

    // virtio 1.2 §5.5.6.3, §5.5.6.4.
    [Fact]
    public void Statistics_are_renewed_when_somebody_looks()
    {
        VirtioDriver driver = Bring(Version1 | Statistics);
        PutStatistics((4, 1000), (6, 2000), (999, 1));
        driver.Submit(2, (Request, 30, false));
        // Looking gives the buffer back, so that the driver can fill it again.
        BalloonInfo first;
        do first = Balloon.Look();
        while (first.Statistics.IsEmpty);
        Assert.Equal(new BalloonStatistic[] { new("freeBytes", 1000), new("availableBytes", 2000) }, first.Statistics.ToArray());
        Assert.Equal(0u, driver.WaitUsed(2));
        PutStatistics((4, 1001));
        driver.Submit(2, (Request, 10, false));
        while (Balloon.Look().Statistics[0].Value != 1001) { }
        Assert.Equal(2000UL, Balloon.Look().Statistics[1].Value);
    }

    // virtio 1.2 §5.5.6.7; §5.5.2 for the queue.
    [Theory]
    [InlineData(Version1 | Statistics | Reporting, 3)]
    [InlineData(Version1 | Reporting, 2)]
    public void Free_pages_that_are_reported_are_the_hosts(ulong features, int queue)
    {
        VirtioDriver driver = Bring(features);
        for (ulong page = 0; page < 5; page++) _machine.Memory.TryWrite(Pages + (page * 4096), 0x5555UL);
        // The second buffer has no whole page but one.
        driver.Submit(queue, (Pages, 8192, true), (Pages + 0x2800, 0x2000, true));
        Assert.Equal(0u, driver.WaitUsed(queue));
        Assert.Equal([0UL, 0, 0x5555, 0, 0x5555], Enumerable.Range(0, 5).Select(page => Load(Pages + ((ulong)page * 4096))));
    }

    // virtio 1.2 §5.5.3.
    [Fact]
    public void Features_follow_the_configuration()
    {
        Assert.Equal(Statistics | DeflateOnOom | Reporting, new VirtioDriver(_machine, 1).OfferedFeatures() & 0xff);
        using TestMachine plain = new();
        using IDevice device = DeviceFactories.Create(new VirtioBalloonConfig("b", DeflateOnOom: false, FreePageReporting: false), plain.Services);
        plain.Pci.AssignResources(0, 0);
        Assert.Equal(Statistics, new VirtioDriver(plain, 1).OfferedFeatures() & 0xff);
        Assert.Throws<ConfigException>(() => DeviceFactories.Create(new VirtioBalloonConfig("c"), plain.Services));
    }

    public void Dispose()
    {
        _device.Dispose();
        _machine.Dispose();
    }

    private VirtioDriver Bring(ulong features)
    {
        VirtioDriver driver = new(_machine, 1);
        driver.Bring(4, features);
        return driver;
    }

    private ulong Load(ulong address)
    {
        Assert.True(_machine.Memory.TryRead(address, out ulong value));
        return value;
    }

    private void PutPages(params uint[] numbers)
    {
        byte[] data = new byte[4 * numbers.Length];
        for (int i = 0; i < numbers.Length; i++) BinaryPrimitives.WriteUInt32LittleEndian(data.AsSpan(4 * i), numbers[i]);
        _machine.Memory.TryCopyIn(Request, data);
    }

    private void PutStatistics(params (ushort Tag, ulong Value)[] statistics)
    {
        byte[] data = new byte[10 * statistics.Length];
        for (int i = 0; i < statistics.Length; i++)
        {
            BinaryPrimitives.WriteUInt16LittleEndian(data.AsSpan(10 * i), statistics[i].Tag);
            BinaryPrimitives.WriteUInt64LittleEndian(data.AsSpan((10 * i) + 2), statistics[i].Value);
        }
        _machine.Memory.TryCopyIn(Request, data);
    }
}
