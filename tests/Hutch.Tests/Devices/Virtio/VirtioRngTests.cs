using Hutch.Devices;
using Hutch.Model.Machine;
using Xunit;

namespace Hutch.Tests.Devices.Virtio;

/// <summary>The entropy device (virtio 1.2 §5.4).</summary>
public sealed class VirtioRngTests
{
    // virtio 1.2 §5.4.6.
    [Theory]
    [InlineData(1UL << 32)]
    [InlineData((1UL << 32) | (1UL << 29))]
    [InlineData((1UL << 32) | (1UL << 29) | (1UL << 28))]
    public void Fills_what_the_driver_offers(ulong features)
    {
        using TestMachine machine = new();
        using IDevice device = DeviceFactories.Create(new VirtioRngConfig("rng0"), machine.Services);
        machine.Pci.AssignResources(0, 0);
        device.Start();
        VirtioDriver driver = new(machine, 1);
        driver.Bring(1, features);

        for (int round = 0; round < 100; round++)
        {
            machine.Memory.TryWrite(0x20_0000, 0UL);
            driver.Submit(0, (0x20_0000, 64, true), (0x20_1000, 8, true));
            Assert.Equal(72u, driver.WaitUsed(0));
            machine.Memory.TryRead(0x20_0000, out ulong value);
            Assert.NotEqual(0UL, value);
        }
    }

    // virtio 1.2 §5.4.1 to §5.4.4: device 4, one queue, no feature bits and no configuration.
    [Fact]
    public void Has_one_queue_and_nothing_to_configure()
    {
        using TestMachine machine = new();
        using IDevice device = DeviceFactories.Create(new VirtioRngConfig("rng0"), machine.Services);
        machine.Pci.AssignResources(0, 0);
        VirtioDriver driver = new(machine, 1);

        Assert.Equal(0x1044u, machine.ReadConfig(1, 2, 2));
        Assert.Equal(1UL, machine.Load(driver.Common + 0x12, 2));
        Assert.Equal(0UL, driver.OfferedFeatures() & 0xff_ffff);
        machine.Store(driver.Device, uint.MaxValue, 4);
        Assert.Equal(0UL, machine.Load(driver.Device, 8));
    }

    // virtio 1.2 §5.4.6.2: one byte at least, and what the used element says.
    [Fact]
    public void Caps_one_request()
    {
        using TestMachine machine = new();
        using IDevice device = DeviceFactories.Create(new VirtioRngConfig("rng0"), machine.Services);
        machine.Pci.AssignResources(0, 0);
        device.Start();
        VirtioDriver driver = new(machine, 1);
        driver.Bring(1, 1UL << 32);

        driver.Submit(0, (0x40_0000, 0x100_0000, true));

        Assert.Equal(65536u, driver.WaitUsed(0));
    }
}
