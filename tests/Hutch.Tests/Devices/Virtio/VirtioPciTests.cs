using System;
using Hutch.Devices;
using Hutch.Model.Machine;
using Xunit;

namespace Hutch.Tests.Devices.Virtio;

/// <summary>The transport of every virtio device (virtio 1.2 §4.1) and the device status (§2.1).</summary>
public sealed class VirtioPciTests : IDisposable
{
    private const ulong Version1 = 1UL << 32;

    private readonly TestMachine _machine = new();
    private readonly IDevice _device;
    private readonly VirtioDriver _driver;

    public VirtioPciTests()
    {
        _device = DeviceFactories.Create(new VirtioRngConfig("rng0"), _machine.Services);
        _machine.Pci.AssignResources(0, 0);
        _device.Start();
        _driver = new VirtioDriver(_machine, 1);
    }

    // virtio 1.2 §4.1.2 (identity: 1040h and the device type, revision 1 and more) and §4.1.4 (capabilities).
    [Fact]
    public void Is_a_modern_virtio_function_with_all_structures()
    {
        Assert.Equal(0x1044_1af4u, _machine.ReadConfig(1, 0));
        Assert.Equal(1u, _machine.ReadConfig(1, 8, 1));
        Assert.All((ulong[])[_driver.Common, _driver.Notify, _driver.Isr, _driver.Device], static a => Assert.InRange(a, 0xC000_0000UL, 0xFEBF_FFFFUL));
        Assert.NotEqual(0, _driver.PciConfig);
        Assert.NotEqual(0, _driver.MsixCapability);
        Assert.Equal(0u, _machine.ReadConfig(1, 0x100));
    }

    // virtio 1.2 §6 and §4.1.4.3: device_feature_select, device_feature.
    [Fact]
    public void Offers_version_1_indirect_descriptors_and_the_event_index()
    {
        Assert.Equal(Version1 | (1UL << 29) | (1UL << 28), _driver.OfferedFeatures());
        _machine.Store(_driver.Common, 2, 4);
        Assert.Equal(0UL, _machine.Load(_driver.Common + 4, 4));
    }

    // virtio 1.2 §2.2.2 and §3.1.1: FEATURES_OK does not stay.
    [Theory]
    [InlineData(0UL)]                            // a legacy driver
    [InlineData(Version1 | 1)]                   // not offered
    [InlineData(Version1 | (1UL << 33))]
    public void Refuses_features_that_do_not_fit(ulong features) => Assert.Equal(3, _driver.Negotiate(features));

    // virtio 1.2 §2.2.2.
    [Fact]
    public void Refuses_features_beyond_64()
    {
        _driver.Negotiate(0);
        _machine.Store(_driver.Common + 8, 1, 4);
        _machine.Store(_driver.Common + 0xc, 1, 4);
        _machine.Store(_driver.Common + 8, 2, 4);
        _machine.Store(_driver.Common + 0xc, 1, 4);
        _machine.Store(_driver.Common + 0x14, 11, 1);
        Assert.Equal(3, _driver.Status);
    }

    // virtio 1.2 §3.1.1.
    [Fact]
    public void Features_are_fixed_after_features_ok()
    {
        Assert.Equal(11, _driver.Negotiate(Version1));
        _machine.Store(_driver.Common + 8, 0, 4);
        _machine.Store(_driver.Common + 0xc, 0xffffffff, 4);
        Assert.Equal(0UL, _machine.Load(_driver.Common + 0xc, 4));
    }

    // virtio 1.2 §4.1.4.3.1: queue_size is 0.
    [Fact]
    public void A_queue_that_does_not_exist_has_size_0_and_takes_nothing()
    {
        _machine.Store(_driver.Common + 0x16, 1, 2);
        Assert.Equal(0UL, _machine.Load(_driver.Common + 0x18, 2));
        Assert.Equal(0xffffUL, _machine.Load(_driver.Common + 0x1a, 2));
        for (int offset = 0x18; offset < 0x38; offset += 2) _machine.Store(_driver.Common + (ulong)offset, 1, 2);
        _machine.Store(_driver.Common + 0x20, 1, 8);
        Assert.Equal(0UL, _machine.Load(_driver.Common + 0x20, 8));
        Assert.Equal(0UL, _machine.Load(_driver.Common + 0x1c, 2));
    }

    // virtio 1.2 §4.1.4.3: what the common configuration says after a reset (§2.4.1), by power or by a status of 0.
    [Fact]
    public void A_reset_leaves_no_queue_and_no_vector()
    {
        AssertReset();
        _driver.Bring(1, Version1);
        Assert.Equal((15, 1UL, 16UL), (_driver.Status, Common(0x1c, 2), Common(0x18, 2)));
        _machine.Store(_driver.Common + 0x14, 0, 1);
        AssertReset();

        void AssertReset()
        {
            Assert.Equal((0, 1UL), (_driver.Status, Common(0x12, 2)));                                  // status, num_queues
            Assert.Equal((0xffffUL, 0xffffUL), (Common(0x10, 2), Common(0x1a, 2)));                     // config_msix_vector, queue_msix_vector
            Assert.Equal((64UL, 0UL, 0UL), (Common(0x18, 2), Common(0x1c, 2), Common(0x1e, 2)));        // queue_size, queue_enable, queue_notify_off
            Assert.Equal((0UL, 0UL, 0UL), (Common(0x20, 8), Common(0x28, 8), Common(0x30, 8)));         // queue_desc, queue_driver, queue_device
        }
    }

    // virtio 1.2 §4.1.4.3: device_feature, num_queues, config_generation and queue_notify_off are read-only for the driver.
    [Theory]
    [InlineData(0x04, 4)]
    [InlineData(0x12, 2)]
    [InlineData(0x15, 1)]
    [InlineData(0x1e, 2)]
    public void Fields_of_the_device_cannot_be_written(int field, int width)
    {
        ulong before = Common(field, width);
        _machine.Store(_driver.Common + (ulong)field, ~before, width);
        Assert.Equal(before, Common(field, width));
    }

    // virtio 1.2 §2.1.1: a driver does not clear bits of the status; those that §2.1 does not have are not taken.
    [Fact]
    public void Status_bits_stay_and_reserved_ones_are_not_taken()
    {
        _machine.Store(_driver.Common + 0x14, 1 | 0x30, 1);
        Assert.Equal(1, _driver.Status);
        _machine.Store(_driver.Common + 0x14, 2, 1);
        Assert.Equal(3, _driver.Status);
    }

    // virtio 1.2 §4.1.5.1.2.1: NO_VECTOR.
    [Fact]
    public void A_vector_that_does_not_exist_reads_back_as_none()
    {
        _machine.Store(_driver.Common + 0x10, 2, 2);
        Assert.Equal(0xffffUL, _machine.Load(_driver.Common + 0x10, 2));
        _machine.Store(_driver.Common + 0x10, 1, 2);
        Assert.Equal(1UL, _machine.Load(_driver.Common + 0x10, 2));
    }

    // virtio 1.2 §4.1.3.1.
    [Fact]
    public void Queue_addresses_can_be_written_and_read_by_halves()
    {
        _machine.Store(_driver.Common + 0x20, 0x11223344, 4);
        _machine.Store(_driver.Common + 0x24, 0x55667788, 4);
        Assert.Equal(0x5566778811223344UL, _machine.Load(_driver.Common + 0x20, 8));
        Assert.Equal(0x55667788UL, _machine.Load(_driver.Common + 0x24, 4));
    }

    // virtio 1.2 §2.7 (alignment) and §2.1.2: DEVICE_NEEDS_RESET, told by a configuration change.
    [Theory]
    [InlineData(5, null, null, null)]
    [InlineData(0, null, null, null)]
    [InlineData(128, null, null, null)]
    [InlineData(16, 0x10_0008UL, null, null)]
    [InlineData(16, 0x1_0000_0000UL, null, null)]
    [InlineData(16, null, 0xffff_ffff_ffff_fffeUL, null)]
    [InlineData(16, null, null, 0xb000_0000UL)]
    public void A_queue_that_cannot_be_used_needs_a_reset(int size, ulong? descriptors, ulong? available, ulong? used)
    {
        _driver.Negotiate(Version1);
        _driver.EnableMsix(2);
        _driver.SetUpQueue(0, size, descriptors, available, used);
        _driver.DriverOk();
        Assert.Equal(64 + 15, _driver.Status);
        Assert.Equal(0x40u, Assert.Single(_machine.Router.Messages).Data);
        _driver.Kick(0);
        Assert.Equal(11, _driver.Negotiate(Version1));
    }

    // virtio 1.2 §3.1.1, §2.1.2.
    [Fact]
    public void Driver_ok_without_features_ok_needs_a_reset()
    {
        _machine.Store(_driver.Common + 0x14, 7, 1);
        Assert.Equal(64 + 7, _driver.Status);
    }

    // virtio 1.2 §2.1.2.
    [Fact]
    public void A_broken_chain_needs_a_reset_and_says_so_once()
    {
        _driver.Bring(1, Version1);
        _driver.WriteDescriptor(0, 0, 0xdead_0000_0000, 64, 2, 0);
        _driver.Offer(0, 0);
        _driver.WaitNeedsReset();
        _driver.Kick(0);
        _driver.Bring(1, Version1);
        _driver.Submit(0, (0x20_0000, 8, true));
        Assert.Equal(8u, _driver.WaitUsed(0));
    }

    // virtio 1.2 §4.1.4.5.1.
    [Fact]
    public void Without_msix_the_pin_is_used_and_reading_the_isr_releases_it()
    {
        _driver.Negotiate(Version1);
        _driver.SetUpQueue(0);
        _driver.DriverOk();
        _driver.Submit(0, (0x20_0000, 8, true));
        while (!_driver.TryTakeUsed(0, out _, out _)) System.Threading.Thread.Yield();
        while (!_machine.Gsi[17]) System.Threading.Thread.Yield();
        Assert.Equal(1UL, _machine.Load(_driver.Isr, 1));
        Assert.False(_machine.Gsi[17]);
        Assert.Equal(0UL, _machine.Load(_driver.Isr, 1));
        Assert.Empty(_machine.Router.Messages);
    }

    // virtio 1.2 §4.1.4.9.
    [Fact]
    public void The_configuration_window_reaches_the_registers()
    {
        _machine.WriteConfig(1, _driver.PciConfig + 4, 4, 1);
        _machine.WriteConfig(1, _driver.PciConfig + 8, 0x14);
        _machine.WriteConfig(1, _driver.PciConfig + 12, 1);
        _machine.WriteConfig(1, _driver.PciConfig + 16, 3, 1);
        Assert.Equal(3u, _machine.ReadConfig(1, _driver.PciConfig + 16, 1));
        Assert.Equal(3, _driver.Status);
        _machine.WriteConfig(1, _driver.PciConfig + 8, 0xffff_ffff);
        _machine.WriteConfig(1, _driver.PciConfig + 16, 0, 1);
        Assert.Equal(3, _driver.Status);
    }

    // virtio 1.2 §2.4.1.
    [Fact]
    public void A_machine_reset_is_a_power_on()
    {
        _driver.Bring(1, Version1);
        _machine.WriteConfig(1, 0x20, 0xd000_0000);
        _device.Stop();
        _device.Reset();
        _device.Start();
        Assert.Equal(0, _driver.Status);
        Assert.Equal(0u, _machine.ReadConfig(1, _driver.MsixCapability + 2, 2) & 0xc000);
        _driver.Bring(1, Version1);
        _driver.Submit(0, (0x20_0000, 8, true));
        Assert.Equal(8u, _driver.WaitUsed(0));
    }

    public void Dispose()
    {
        _device.Dispose();
        _machine.Dispose();
    }

    private ulong Common(int field, int width) => _machine.Load(_driver.Common + (ulong)field, width);
}
