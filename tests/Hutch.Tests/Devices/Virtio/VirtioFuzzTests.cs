using System;
using System.IO;
using Hutch.Devices;
using Hutch.Devices.Pci;
using Hutch.Model.Machine;
using Hutch.Vmm.Build;
using Xunit;

namespace Hutch.Tests.Devices.Virtio;

/// <summary>Random guests. A failure names its seed in the test's name; nothing else is random.</summary>
public sealed class VirtioFuzzTests : IDisposable
{
    private const int Accesses = 1_000_000;
    private const ulong Features = (1UL << 32) | (1UL << 29) | (1UL << 28);

    private readonly string _path = Path.GetTempFileName();
    private readonly TestMachine _machine;

    public VirtioFuzzTests()
    {
        File.WriteAllBytes(_path, new byte[1 << 20]);
        _machine = new TestMachine(Disks.Open, new LoopChannel(), pluggableBytes: 128 << 20);
    }

    [Theory]
    [InlineData("blk", 1)]
    [InlineData("console", 2)]
    [InlineData("rng", 3)]
    [InlineData("net", 8)]
    [InlineData("balloon", 10)]
    [InlineData("mem", 12)]
    [InlineData("scsi", 14)]
    public void Random_register_accesses_leave_a_device_that_works(string kind, int seed)
    {
        using IDevice device = Make(kind);
        VirtioDriver driver = new(_machine, 1);
        ulong registers = driver.Bar(4), msix = driver.Bar(1);
        Random random = new(seed);
        for (int i = 0; i < Accesses; i++)
        {
            int width = 1 << random.Next(4);
            ulong address = random.Next(8) switch
            {
                0 => msix + (ulong)random.Next(0x1000),
                1 => registers + (ulong)random.Next(0x4000),
                2 => driver.Notify + (ulong)random.Next(16),
                3 => driver.Device + (ulong)random.Next(64),
                _ => driver.Common + (ulong)(random.Next(8) == 0 ? random.Next(0x40) : random.Next(0x20) * 2),
            };
            if (random.Next(3) == 0) _ = _machine.Load(address, width);
            else _machine.Store(address, Value(random), width);
        }
        AssertWorks(device, driver, kind);
    }

    [Theory]
    [InlineData(4)]
    public void Random_configuration_accesses_leave_a_bus_that_works(int seed)
    {
        using IDevice device = Make("rng");
        Random random = new(seed);
        for (int i = 0; i < Accesses; i++)
        {
            int width = 1 << random.Next(3), slot = random.Next(2), offset = random.Next(16) == 0 ? random.Next(4096) : random.Next(256);
            switch (random.Next(4))
            {
                case 0: _ = _machine.ReadConfig(slot, offset, width); break;
                case 1: _machine.WriteConfig(slot, offset, (uint)Value(random), width); break;
                case 2: _machine.Out((ushort)(0xcf8 + random.Next(8)), random.Next(2) == 0 ? (uint)random.NextInt64() : 0x8000_0000u | (uint)random.Next(0x1000), width); break;
                default: _ = _machine.In((ushort)(0xcf8 + random.Next(8)), width); break;
            }
        }
        _machine.Pci.Reset();
        AssertWorks(device, new VirtioDriver(_machine, 1), "rng");
    }

    [Theory]
    [InlineData("blk", 5)]
    [InlineData("console", 6)]
    [InlineData("rng", 7)]
    [InlineData("net", 9)]
    [InlineData("balloon", 11)]
    [InlineData("mem", 13)]
    [InlineData("scsi", 15)]
    public void Random_queue_contents_leave_a_device_that_works(string kind, int seed)
    {
        using IDevice device = Make(kind);
        VirtioDriver driver = new(_machine, 1);
        int queues = Queues(kind);
        Random random = new(seed);
        for (int round = 0; round < 2_000; round++)
        {
            driver.Bring(queues, FeaturesOf(kind));
            if (kind == "net") ((FakeNetwork)_machine.Network!).Arrive(new byte[64 + random.Next(3000)]);
            for (int queue = 0; queue < queues; queue++)
            {
                for (int i = 0; i < VirtioDriver.QueueSize; i++)
                    driver.WriteDescriptor(queue, i, random.Next(20) == 0 ? Value(random) : (ulong)random.Next(1 << 20, 32 << 20),
                        (uint)random.Next(random.Next(2) == 0 ? 64 : 8192), (ushort)random.Next(random.Next(8) == 0 ? 8 : 4), (ushort)random.Next(VirtioDriver.QueueSize + 1));
                for (int i = 0; i < 16; i++) _machine.Memory.TryWrite((ulong)random.Next(1 << 20, 31 << 20), (ulong)random.Next(16));
                for (int offers = random.Next(6); offers >= 0; offers--) driver.Offer(queue, (ushort)random.Next(VirtioDriver.QueueSize + 1));
            }
        }
        AssertWorks(device, driver, kind);
    }

    public void Dispose()
    {
        _machine.Dispose();
        File.Delete(_path);
    }

    private IDevice Make(string kind)
    {
        DeviceConfig config = kind switch
        {
            "blk" => new VirtioBlockConfig(kind, new DiskConfig(_path)),
            "console" => new VirtioConsoleConfig(kind, new CharacterBackend(CharacterBackendKind.None)),
            "net" => new VirtioNetConfig(kind, "52:54:00:01:02:03", new NetBackendConfig(NetBackendKind.None)),
            "balloon" => new VirtioBalloonConfig(kind),
            "mem" => new VirtioMemConfig(kind),
            "scsi" => new VirtioScsiConfig(kind, [new ScsiDriveConfig("hd", new DiskConfig(_path))]),
            _ => new VirtioRngConfig(kind),
        };
        _machine.Network = new FakeNetwork();
        IDevice device = DeviceFactories.Create(config, _machine.Services);
        _machine.Pci.AssignResources(0, 0);
        device.Start();
        return device;
    }

    private void AssertWorks(IDevice device, VirtioDriver driver, string kind)
    {
        device.Stop();
        device.Reset();
        device.Start();
        driver.Bring(Queues(kind), FeaturesOf(kind));
        switch (kind)
        {
            case "blk":
                for (ulong i = 0; i < 16; i += 8) _machine.Memory.TryWrite(0x20_0000 + i, 0UL);
                driver.Submit(0, (0x20_0000, 16, false), (0x20_1000, 512, true), (0x20_2000, 1, true));
                Assert.Equal(513u, driver.WaitUsed(0));
                break;
            case "console":
                driver.Submit(1, (0x20_0000, 16, false));
                Assert.Equal(0u, driver.WaitUsed(1));
                break;
            case "net":
                for (ulong i = 0; i < 16; i += 8) _machine.Memory.TryWrite(0x20_0000 + i, 0UL);
                driver.Submit(1, (0x20_0000, 72, false));
                Assert.Equal(0u, driver.WaitUsed(1));
                break;
            case "balloon":
                driver.Submit(1, (0x20_0000, 16, false));
                Assert.Equal(0u, driver.WaitUsed(1));
                break;
            case "scsi":
                // INQUIRY of the first target.
                for (ulong i = 0; i < 51; i++) _machine.Memory.TryWrite<byte>(0x20_0000 + i, i switch { 0 => 1, 19 => 0x12, 23 => 36, _ => 0 });
                driver.Submit(2, (0x20_0000, 51, false), (0x20_1000, 108, true), (0x20_2000, 36, true));
                Assert.Equal(144u, driver.WaitUsed(2));
                break;
            case "mem":
                driver.Submit(0, (0x20_0000, 24, false), (0x20_1000, 10, true));
                Assert.Equal(10u, driver.WaitUsed(0));
                break;
            default:
                driver.Submit(0, (0x20_0000, 16, true));
                Assert.Equal(16u, driver.WaitUsed(0));
                break;
        }
        Assert.Equal(0x29c0_8086u, _machine.ReadConfig(0, 0));
        Assert.Equal(PciWindows.EcamStart, _machine.Mmio.Find(PciWindows.EcamStart)!.Start);
    }

    private static int Queues(string kind) => kind switch { "console" => 2, "net" or "scsi" => 3, "balloon" => 4, _ => 1 };

    // Of a network card: checksums, large segments, mergeable buffers, the control queue with all of its commands.
    private static ulong FeaturesOf(string kind) => kind switch
    {
        "net" => Features | 1 | (1UL << 11) | (0xffUL << 15) & ~(1UL << 22),
        "balloon" => Features | (1UL << 1) | (1UL << 5),
        _ => Features,
    };

    // Small numbers, addresses in RAM, and noise: each finds other paths.
    private static ulong Value(Random random) => random.Next(5) switch
    {
        0 => (ulong)random.Next(8),
        1 => 1UL << random.Next(64),
        2 => (ulong)random.Next(0x10_0000, 0x100_0000) & ~0xfffUL,
        3 => ulong.MaxValue,
        _ => (ulong)random.NextInt64(),
    };
}
