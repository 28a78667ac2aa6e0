using System;
using System.IO;
using System.Text;
using Hutch.Devices;
using Hutch.Model.Machine;
using Hutch.Vmm.Build;
using Xunit;

namespace Hutch.Tests.Devices.Virtio;

/// <summary>The block device (virtio 1.2 §5.2).</summary>
public sealed class VirtioBlockTests : IDisposable
{
    private const ulong Header = 0x20_0000, Data = 0x21_0000, StatusByte = 0x20_f000;
    private const ulong AllFeatures = (1UL << 32) | (1UL << 29) | (1UL << 28) | (1UL << 9) | (1UL << 13) | (1UL << 14);

    private readonly string _path = Path.GetTempFileName();
    private readonly TestMachine _machine = new(Disks.Open);
    private IDevice? _device;

    // virtio 1.2 §5.2.6: VIRTIO_BLK_T_IN and VIRTIO_BLK_T_OUT.
    [Fact]
    public void Reads_and_writes_sectors()
    {
        VirtioDriver driver = Bring(AllFeatures);
        byte[] pattern = new byte[4096];
        new Random(1).NextBytes(pattern);
        _machine.Memory.TryCopyIn(Data, pattern);

        Assert.Equal((0, 1u), Request(driver, 1, 3, (Data, 1024, false), (Data + 1024, 3072, false)));
        Assert.Equal((0, 4097u), Request(driver, 0, 3, (Data + 0x8000, 512, true), (Data + 0x8200, 3584, true)));

        byte[] back = new byte[4096];
        _machine.Memory.TryCopyOut(Data + 0x8000, back);
        Assert.Equal(pattern, back);
        Assert.Equal(pattern, File.ReadAllBytes(_path)[1536..(1536 + 4096)]);
    }

    // virtio 1.2 §5.2.6: VIRTIO_BLK_T_GET_ID, 20 bytes.
    [Fact]
    public void Says_who_it_is()
    {
        VirtioDriver driver = Bring(AllFeatures);

        Assert.Equal((0, 21u), Request(driver, 8, 0, (Data, 20, true)));

        byte[] id = new byte[20];
        _machine.Memory.TryCopyOut(Data, id);
        Assert.Equal("disk0", Encoding.ASCII.GetString(id).TrimEnd('\0'));
    }

    // virtio 1.2 §5.2.6: VIRTIO_BLK_T_FLUSH, _DISCARD, _WRITE_ZEROES.
    [Fact]
    public void Flushes_discards_and_writes_zeroes()
    {
        VirtioDriver driver = Bring(AllFeatures);
        File.WriteAllBytes(_path, Filled(1 << 20));
        Assert.Equal(0, Request(driver, 4, 0).Status);

        PutRange(8, 8, flags: 0);
        Assert.Equal(0, Request(driver, 13, 0, (Data, 16, false)).Status);
        PutRange(64, 128, flags: 0);
        Assert.Equal(0, Request(driver, 11, 0, (Data, 16, false)).Status);

        byte[] content = File.ReadAllBytes(_path);
        Assert.All(content[4096..8192], static b => Assert.Equal(0, b));
        Assert.Equal(1, content[4095]);
        Assert.Equal(1, content[8192]);
    }

    // virtio 1.2 §5.2.6: VIRTIO_BLK_S_IOERR.
    [Theory]
    [InlineData(0u, 2048UL, 512u)]                  // behind the end
    [InlineData(0u, 2047UL, 1024u)]                 // across the end
    [InlineData(0u, ulong.MaxValue, 512u)]
    [InlineData(0u, ulong.MaxValue / 512, 512u)]
    [InlineData(0u, 0UL, 100u)]                     // not whole sectors
    public void Refuses_what_is_not_on_the_disk(uint type, ulong sector, uint length)
    {
        VirtioDriver driver = Bring(AllFeatures);

        Assert.Equal((1, 0u), Request(driver, type, sector, (Data, length, true)));
    }

    // virtio 1.2 §5.2.6.2: VIRTIO_BLK_S_UNSUPP.
    [Fact]
    public void Refuses_unknown_requests_and_bad_ranges()
    {
        VirtioDriver driver = Bring(AllFeatures);
        Assert.Equal(2, Request(driver, 77, 0).Status);
        PutRange(0, 8, flags: 1);
        Assert.Equal(2, Request(driver, 11, 0, (Data, 16, false)).Status);
        PutRange(2040, 9, flags: 0);
        Assert.Equal(1, Request(driver, 11, 0, (Data, 16, false)).Status);
        PutRange(0, 8, flags: 0);
        Assert.Equal(2, Request(driver, 13, 0, (Data, 15, false)).Status);
    }

    // virtio 1.2 §5.2.3: VIRTIO_BLK_F_RO; §5.2.6.2.
    [Fact]
    public void A_read_only_disk_says_so_and_refuses_writes()
    {
        VirtioDriver driver = Bring((1UL << 32) | (1UL << 5), readOnly: true);

        Assert.NotEqual(0UL, driver.OfferedFeatures() & (1 << 5));
        Assert.Equal(0UL, driver.OfferedFeatures() & (1 << 13));
        Assert.Equal(1, Request(driver, 1, 0, (Data, 512, false)).Status);
        Assert.Equal(2, Request(driver, 11, 0, (Data, 16, false)).Status);
        Assert.Equal(0, Request(driver, 0, 0, (Data, 512, true)).Status);
    }

    [Fact]
    public void A_chain_that_is_no_request_needs_a_reset()
    {
        VirtioDriver driver = Bring(AllFeatures);

        driver.Submit(0, (Header, 8, false), (StatusByte, 1, true));

        driver.WaitNeedsReset();
        Assert.Equal(11 + 4 + 64, driver.Status);
    }

    [Fact]
    public void Works_again_after_the_driver_reset_it()
    {
        VirtioDriver driver = Bring(AllFeatures);
        driver.Submit(0, (Header, 8, false), (StatusByte, 1, true));
        driver.WaitNeedsReset();

        driver.Bring(1, AllFeatures);

        Assert.Equal(0, Request(driver, 0, 0, (Data, 512, true)).Status);
    }

    // virtio 1.2 §5.2.4.
    [Fact]
    public void Shows_capacity_and_limits()
    {
        VirtioDriver driver = Bring(AllFeatures);

        Assert.Equal(2048UL, _machine.Load(driver.Device, 8));
        Assert.Equal(254UL, _machine.Load(driver.Device + 12, 4));
        Assert.Equal(512UL, _machine.Load(driver.Device + 20, 4));
        Assert.Equal(3UL, _machine.Load(driver.Device + 24, 1));
        Assert.Equal(0UL, _machine.Load(driver.Device + 0x100, 4));
    }

    // virtio 1.2 §5.2.1 (device 2), §5.2.3: which feature bits there are, §5.2.4: the fields that they announce, and that none can be written without WCE.
    [Fact]
    public void Features_and_the_rest_of_the_configuration_agree()
    {
        VirtioDriver driver = Bring(AllFeatures);

        Assert.Equal(0x1042u, _machine.ReadConfig(1, 2, 2));
        // SEG_MAX, BLK_SIZE, FLUSH, TOPOLOGY, DISCARD, WRITE_ZEROES; not RO, CONFIG_WCE, MQ.
        Assert.Equal(1UL << 2 | 1UL << 6 | 1UL << 9 | 1UL << 10 | 1UL << 13 | 1UL << 14, driver.OfferedFeatures() & 0xff_ffff);
        Assert.Equal((0UL, 0UL, 1UL), (Config(8, 4), Config(32, 1), Config(34, 2)));            // size_max, writeback, num_queues
        Assert.Equal((1UL << 20, 8UL), (Config(36, 4), Config(40, 4)));                         // max_discard_sectors, max_discard_seg
        Assert.NotEqual(0UL, Config(44, 4));                                                    // discard_sector_alignment
        Assert.Equal((1UL << 20, 8UL, 1UL), (Config(48, 4), Config(52, 4), Config(56, 1)));     // max_write_zeroes_sectors, max_write_zeroes_seg, write_zeroes_may_unmap
        _machine.Store(driver.Device, 1, 8);
        _machine.Store(driver.Device + 32, 1, 1);
        Assert.Equal((2048UL, 0UL), (Config(0, 8), Config(32, 1)));

        ulong Config(ulong field, int width) => _machine.Load(driver.Device + field, width);
    }

    [Fact]
    public void A_disk_that_is_not_there_is_the_operators_mistake()
    {
        ConfigException e = Assert.Throws<ConfigException>(() =>
            DeviceFactories.Create(new VirtioBlockConfig("disk0", new DiskConfig("/nonexistent/disk.img")), _machine.Services));
        Assert.Contains("/nonexistent/disk.img", e.Message, StringComparison.Ordinal);
    }

    public void Dispose()
    {
        _device?.Dispose();
        _machine.Dispose();
        File.Delete(_path);
    }

    private VirtioDriver Bring(ulong features, bool readOnly = false)
    {
        File.WriteAllBytes(_path, new byte[1 << 20]);
        _device = DeviceFactories.Create(new VirtioBlockConfig("disk0", new DiskConfig(_path, ReadOnly: readOnly)), _machine.Services);
        _machine.Pci.AssignResources(0, 0);
        _device.Start();
        VirtioDriver driver = new(_machine, 1);
        driver.Bring(1, features);
        return driver;
    }

    private (int Status, uint Written) Request(VirtioDriver driver, uint type, ulong sector, params (ulong, uint, bool)[] data)
    {
        _machine.Memory.TryWrite(Header, type);
        _machine.Memory.TryWrite(Header + 8, sector);
        _machine.Memory.TryWrite<byte>(StatusByte, 0xee);
        driver.Submit(0, [(Header, 16, false), .. data, (StatusByte, 1, true)]);
        uint written = driver.WaitUsed(0);
        _machine.Memory.TryRead(StatusByte, out byte status);
        return (status, written);
    }

    private void PutRange(ulong sector, uint sectors, uint flags)
    {
        _machine.Memory.TryWrite(Data, sector);
        _machine.Memory.TryWrite(Data + 8, sectors);
        _machine.Memory.TryWrite(Data + 12, flags);
    }

    private static byte[] Filled(int length)
    {
        byte[] bytes = new byte[length];
        Array.Fill(bytes, (byte)1);
        return bytes;
    }
}
