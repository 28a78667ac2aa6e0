using System;
using System.Buffers.Binary;
using System.IO;
using System.Linq;
using System.Text;
using Hutch.Devices;
using Hutch.Model.Machine;
using Hutch.Vmm.Build;
using Xunit;

namespace Hutch.Tests.Devices.Virtio;

/// <summary>The SCSI host (virtio 1.2 §5.6) and its disks (SPC-4, SBC-3).</summary>
public sealed class VirtioScsiTests : IDisposable
{
    private const int Blocks = 2048;

    private readonly string _first = Path.GetTempFileName(), _second = Path.GetTempFileName();
    private readonly TestMachine _machine = new(Disks.Open);
    private IDevice? _device;

    // SAM-5 §5.14: unit attention.
    [Fact]
    public void The_first_command_after_a_reset_is_told_and_those_that_look_are_not_stopped()
    {
        ScsiDriver driver = Bring();
        Assert.Equal((0, 0), driver.Execute(0, [0x12, 0, 0, 0, 36], 36).Ends);

        ScsiResult told = driver.Execute(0, [0x00]);
        Assert.Equal(((0, 2), (6, 0x2900), 18u), (told.Ends, told.Sense, told.SenseBytes));
        Assert.Equal((0, 0), driver.Execute(0, [0x00]).Ends);

        // The other disk has its own; REQUEST SENSE takes it.
        byte[] sense = driver.Execute(1, [0x03, 0, 0, 0, 18], 18).Data;
        Assert.Equal((0x70, 6, 0x29), (sense[0], sense[2], sense[12]));
        Assert.Equal((0, 0), driver.Execute(1, [0x00]).Ends);
        Assert.Equal(0, driver.Execute(1, [0x03, 0, 0, 0, 18], 18).Data[2]);
    }

    // SPC-4 §6.4 (INQUIRY), §7.8 (vital product data).
    [Fact]
    public void Says_who_it_is()
    {
        ScsiDriver driver = Ready();
        ScsiResult inquiry = driver.Execute(0, [0x12, 0, 0, 0, 64], 64);
        Assert.Equal((28u, 12u + 96 + 36), (inquiry.Residual, inquiry.Written));
        Assert.Equal([0, 0, 6, 0x12, 31, 0, 0, 2], inquiry.Data[..8]);
        Assert.Equal("HUTCH   Hutch disk      1.0 ", Encoding.ASCII.GetString(inquiry.Data, 8, 28));
        Assert.Equal(0xee, inquiry.Data[36]);

        Assert.Equal([0, 0, 0, 6, 0, 0x80, 0x83, 0xb0, 0xb1, 0xb2], Page(driver, 0, 0x00));
        Assert.Equal([0, 0x80, 0, 5, .. "first"u8], Page(driver, 0, 0x80));
        Assert.Equal([0, 0x80, 0, 3, .. "sd1"u8], Page(driver, 1, 0x80));
        Assert.Equal([0, 0x83, 0, 17, 2, 1, 0, 13, .. "HUTCH   first"u8], Page(driver, 0, 0x83));
        byte[] limits = Page(driver, 0, 0xb0);
        Assert.Equal((64, 1, 1u << 20, 8u, 8u, 1UL << 20), (limits.Length, limits[4], Big32(limits, 20), Big32(limits, 24), Big32(limits, 28), BinaryPrimitives.ReadUInt64BigEndian(limits.AsSpan(36))));
        Assert.Equal((64, 1), (Page(driver, 0, 0xb1).Length, Page(driver, 0, 0xb1)[5]));
        Assert.Equal([0, 0xb2, 0, 4, 0, 0xe0, 2, 0], Page(driver, 0, 0xb2));
        // The second one cannot be written.
        Assert.Equal([0, 0xb2, 0, 4, 0, 0, 0, 0], Page(driver, 1, 0xb2));
        Assert.Equal((5, 0x2400), driver.Execute(0, [0x12, 1, 0xc7, 0, 252], 252).Sense);
    }

    // SBC-3 §5.15 (READ CAPACITY), SPC-4 §7.5 (mode pages).
    [Fact]
    public void Says_how_long_it_is_and_how_it_caches()
    {
        ScsiDriver driver = Ready();
        byte[] shorter = driver.Execute(0, [0x25], 8).Data, longer = driver.Execute(0, [0x9e, 0x10, .. new byte[11], 32], 32).Data;
        Assert.Equal((2047u, 512u), (Big32(shorter, 0), Big32(shorter, 4)));
        Assert.Equal((0u, 2047u, 512u, (byte)0x80), (Big32(longer, 0), Big32(longer, 4), Big32(longer, 8), longer[14]));

        Assert.Equal([31, 0, 0x10, 8, 0, 0, 8, 0, 0, 0, 2, 0, 0x08, 0x12, 0x04], driver.Execute(0, [0x1a, 0, 0x3f, 0, 255], 255).Data[..15]);
        Assert.Equal([0, 26, 0, 0x90, 0, 0, 0, 0, 0x08, 0x12, 0x04], driver.Execute(1, [0x5a, 8, 0x08, 0, 0, 0, 0, 0, 255], 255).Data[..11]);
        Assert.Equal(0, driver.Execute(0, [0x1a, 8, 0x48, 0, 255], 255).Data[6]);
        Assert.Equal((5, 0x3900), driver.Execute(0, [0x1a, 8, 0xc8, 0, 255], 255).Sense);
        Assert.Equal((5, 0x2400), driver.Execute(0, [0x1a, 8, 0x01, 0, 255], 255).Sense);
        Assert.Equal([0, 0, 0, 8, .. new byte[12]], driver.Execute(0, [0xa0, 0, 0, 0, 0, 0, 0, 0, 0, 16], 16).Data);
        Assert.Equal((0, 0), driver.Execute(0, [0x1e, 0, 0, 0, 1]).Ends);
        Assert.Equal((0, 0), driver.Execute(0, [0x1b, 0, 0, 0, 0]).Ends);
        Assert.Equal((0, 0), driver.Execute(0, [0x35]).Ends);
        Assert.Equal((0, 0), driver.Execute(0, [0x91]).Ends);
    }

    [Theory]
    [InlineData(new byte[] { 0x0a, 0, 0, 3, 8 }, new byte[] { 0x08, 0, 0, 3, 8 })]
    [InlineData(new byte[] { 0x2a, 0, 0, 0, 0, 3, 0, 0, 8 }, new byte[] { 0x28, 0, 0, 0, 0, 3, 0, 0, 8 })]
    [InlineData(new byte[] { 0xaa, 8, 0, 0, 0, 3, 0, 0, 0, 8 }, new byte[] { 0xa8, 8, 0, 0, 0, 3, 0, 0, 0, 8 })]
    [InlineData(new byte[] { 0x8a, 0, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 8 }, new byte[] { 0x88, 0, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 8 })]
    public void Reads_what_was_written(byte[] write, byte[] read)
    {
        ScsiDriver driver = Ready();
        byte[] pattern = new byte[4096];
        new Random(write[0]).NextBytes(pattern);

        ScsiResult written = driver.Execute(0, write, output: pattern);
        Assert.Equal(((0, 0), 0u, 108u), (written.Ends, written.Residual, written.Written));
        ScsiResult back = driver.Execute(0, read, 4096);
        Assert.Equal(((0, 0), 0u, 108u + 4096), (back.Ends, back.Residual, back.Written));
        Assert.Equal(pattern, back.Data);
        Assert.Equal(pattern, File.ReadAllBytes(_first)[1536..(1536 + 4096)]);
    }

    [Fact]
    public void A_length_of_zero_is_256_blocks_in_the_oldest_commands_alone()
    {
        ScsiDriver driver = Ready();
        Assert.Equal(0u, driver.Execute(0, [0x08, 0, 0, 0, 0], 256 * 512).Residual);
        ScsiResult none = driver.Execute(0, [0x28], 512);
        Assert.Equal(((0, 0), 512u), (none.Ends, none.Residual));
    }

    [Fact]
    public void Zeroes_are_written()
    {
        ScsiDriver driver = Ready();
        File.WriteAllBytes(_first, Enumerable.Repeat((byte)1, Blocks * 512).ToArray());
        Assert.Equal((0, 0), driver.Execute(0, [0x93, 8, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 8], output: new byte[512]).Ends);
        Assert.Equal((0, 0), driver.Execute(0, [0x41, 0, 0, 0, 2, 0, 0, 0, 8], output: new byte[512]).Ends);
        Assert.Equal((0, 0), driver.Execute(0, [0x93, 9, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 8]).Ends);

        byte[] content = File.ReadAllBytes(_first);
        foreach (int block in (int[])[256, 512, 768])
        {
            Assert.All(content[(block * 512)..((block + 8) * 512)], static b => Assert.Equal(0, b));
            Assert.Equal((1, 1), (content[(block * 512) - 1], content[(block + 8) * 512]));
        }
        // Another pattern than zeroes must not be taken for them.
        byte[] pattern = new byte[512];
        pattern[^1] = 1;
        Assert.Equal((5, 0x2400), driver.Execute(0, [0x93, 8, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 8], output: pattern).Sense);
    }

    // SPC-4 §4.5: sense keys and codes.
    [Theory]
    [InlineData(0, new byte[] { 0x28, 0, 0, 0, 8, 0, 0, 0, 1 }, 5, 0x2100)]                            // behind the end
    [InlineData(0, new byte[] { 0x28, 0, 0, 0, 7, 0xff, 0, 0, 2 }, 5, 0x2100)]                         // across it
    [InlineData(0, new byte[] { 0x88, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 1 }, 5, 0x2100)]
    [InlineData(0, new byte[] { 0x28, 0x20, 0, 0, 0, 0, 0, 0, 1 }, 5, 0x2400)]                         // protection information
    [InlineData(0, new byte[] { 0x93, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }, 5, 0x2400)]             // no blocks
    [InlineData(0, new byte[] { 0x93, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x20, 0, 0 }, 5, 0x2400)]          // more than one command may
    [InlineData(0, new byte[] { 0x93, 9, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0, 0, 8 }, 5, 0x2100)]
    [InlineData(0, new byte[] { 0x42, 0, 0, 0, 0, 0, 0, 0, 4 }, 5, 0x1a00)]                            // less than a list's header
    [InlineData(0, new byte[] { 0x42, 0, 0, 0, 0, 0, 0, 1, 0 }, 5, 0x2600)]                            // a longer list than one command may have
    [InlineData(0, new byte[] { 0xa0, 0, 0, 0, 0, 0, 0, 0, 0, 8 }, 5, 0x2400)]
    [InlineData(0, new byte[] { 0x03, 1, 0, 0, 18 }, 5, 0x2400)]
    [InlineData(0, new byte[] { 0x1b, 0, 0, 0, 0x30 }, 5, 0x2400)]
    [InlineData(0, new byte[] { 0x9e, 0x12 }, 5, 0x2000)]
    [InlineData(0, new byte[] { 0x55 }, 5, 0x2000)]
    [InlineData(0, new byte[] { 0xff }, 5, 0x2000)]
    [InlineData(1, new byte[] { 0x2a, 0, 0, 0, 0, 0, 0, 0, 1 }, 7, 0x2700)]                            // read-only
    [InlineData(1, new byte[] { 0x41, 0, 0, 0, 0, 0, 0, 0, 1 }, 7, 0x2700)]
    [InlineData(1, new byte[] { 0x42, 0, 0, 0, 0, 0, 0, 0, 24 }, 5, 0x2000)]
    public void Refuses_with_the_right_sense(byte target, byte[] command, byte key, int code)
    {
        ScsiDriver driver = Ready();
        byte[] before = File.ReadAllBytes(_first);
        ScsiResult refused = driver.Execute(target, command, 512);
        Assert.Equal(((0, 2), (key, code), 18u, 512u), (refused.Ends, refused.Sense, refused.SenseBytes, refused.Residual));
        Assert.Equal(before, File.ReadAllBytes(_first));
    }

    // SBC-3 §5.28 (UNMAP).
    [Theory]
    [InlineData(32, 2047, 2, 0x2100)]             // the second range is not on the disk
    [InlineData(24, 0, 1, 0x1a00)]                // no whole ranges
    [InlineData(48, 0, 1, 0x1a00)]                // more of them than were sent
    public void A_list_of_ranges_is_checked_before_any_is_discarded(byte rangeBytes, int block, byte count, int code)
    {
        ScsiDriver driver = Ready();
        File.WriteAllBytes(_first, Enumerable.Repeat((byte)1, Blocks * 512).ToArray());
        byte[] list = new byte[40];
        list[3] = rangeBytes;
        list[19] = 8;
        BinaryPrimitives.WriteInt32BigEndian(list.AsSpan(28), block);
        list[35] = count;
        Assert.Equal((5, code), driver.Execute(0, [0x42, 0, 0, 0, 0, 0, 0, 0, 40], output: list).Sense);
        Assert.All(File.ReadAllBytes(_first), static b => Assert.Equal(1, b));
    }

    // virtio 1.2 §5.6.6.1 (BAD_TARGET); SPC-4 §4.6.1, §6.4.2.
    [Fact]
    public void Targets_and_units_that_are_not_there()
    {
        ScsiDriver driver = Ready();
        Assert.Equal((3, 0), driver.Execute(2, [0x12, 0, 0, 0, 36], 36).Ends);
        Assert.Equal((3, 0), driver.Execute(255, [0x00]).Ends);

        Assert.Equal(0x7f, driver.Execute(0, [0x12, 0, 0, 0, 36], 36, unit: 1).Data[0]);
        Assert.Equal([0, 0, 0, 8], driver.Execute(0, [0xa0, 0, 0, 0, 0, 0, 0, 0, 0, 16], 16, unit: 1).Data[..4]);
        Assert.Equal((5, 0x2500), driver.Execute(0, [0x00], unit: 1).Sense);
        Assert.Equal(0x25, driver.Execute(0, [0x03, 0, 0, 0, 18], 18, unit: 1).Data[12]);
    }

    // virtio 1.2 §5.6.6.1: VIRTIO_SCSI_S_OVERRUN and residual.
    [Fact]
    public void Buffers_that_are_shorter_than_the_command_says_are_an_overrun_and_longer_ones_a_residual()
    {
        ScsiDriver driver = Ready();
        ScsiResult shorter = driver.Execute(0, [0x28, 0, 0, 0, 0, 0, 0, 0, 2], 512);
        Assert.Equal(((1, 0), 512u), (shorter.Ends, shorter.Residual));
        Assert.Equal(0xee, shorter.Data[0]);
        Assert.Equal(1, driver.Execute(0, [0x2a, 0, 0, 0, 0, 0, 0, 0, 2], output: new byte[512]).Response);
        Assert.Equal(1, driver.Execute(0, [0x2a, 0, 0, 0, 0, 0, 0, 0, 1], 512).Response);
        Assert.Equal(1, driver.Execute(0, [0x12, 0, 0, 0, 36], 8).Response);
        Assert.Equal(1, driver.Execute(0, [0x42, 0, 0, 0, 0, 0, 0, 0, 24], output: new byte[8]).Response);
        Assert.Equal(1, driver.Execute(0, [0x41, 0, 0, 0, 0, 0, 0, 0, 1], output: new byte[511]).Response);

        ScsiResult longer = driver.Execute(0, [0x28, 0, 0, 0, 0, 0, 0, 0, 1], 2048);
        Assert.Equal(((0, 0), 1536u, 0xee), (longer.Ends, longer.Residual, longer.Data[512]));
        // Data both ways belongs to a feature that is not offered.
        Assert.Equal(9, driver.Execute(0, [0x28, 0, 0, 0, 0, 0, 0, 0, 1], 512, new byte[512]).Response);
    }

    // virtio 1.2 §5.6.4: sense_size, cdb_size, max_target, max_lun; what a reset leaves.
    [Fact]
    public void The_driver_may_set_the_lengths_of_sense_data_and_commands()
    {
        ScsiDriver driver = Ready();
        Assert.Equal((96UL, 32UL, 1UL, 0UL), (Config(20, 4), Config(24, 4), Config(30, 2), Config(32, 4)));
        _machine.Store(driver.Virtio.Device + 20, 8, 4);
        _machine.Store(driver.Virtio.Device + 24, 6, 4);
        (driver.SenseSize, driver.CommandSize) = (8, 6);
        ScsiResult refused = driver.Execute(0, [0x08, 0, 8, 0, 1], 512);
        Assert.Equal((8u, (byte)5, 20u), (refused.SenseBytes, refused.Key, refused.Written));
        Assert.Equal((0, 0), driver.Execute(0, [0x08, 0, 0, 0, 1], 512).Ends);

        _machine.Store(driver.Virtio.Device + 20, 300, 4);
        driver.SenseSize = 300;
        Assert.Equal(108u, driver.Execute(0, [0x08, 0, 0, 0, 1], 512).Written);

        // What makes no sense is dropped; a reset has the usual lengths.
        _machine.Store(driver.Virtio.Device + 20, uint.MaxValue, 4);
        _machine.Store(driver.Virtio.Device + 24, 256, 4);
        Assert.Equal((300UL, 6UL), (Config(20, 4), Config(24, 4)));
        _machine.Store(driver.Virtio.Common + 0x14, 0, 1);
        Assert.Equal((96UL, 32UL), (Config(20, 4), Config(24, 4)));

        ulong Config(ulong offset, int width) => _machine.Load(driver.Virtio.Device + offset, width);
    }

    // virtio 1.2 §5.6.6.1.
    // virtio 1.2 §5.6.1 (device 8), §5.6.3: HOTPLUG and CHANGE, neither INOUT nor T10_PI; §5.6.4: what is read-only stays.
    [Fact]
    public void Features_and_the_rest_of_the_configuration_agree()
    {
        ScsiDriver driver = Bring();
        Assert.Equal(0x1048u, _machine.ReadConfig(1, 2, 2));
        Assert.Equal(6UL, driver.Virtio.OfferedFeatures() & 0xff_ffff);
        Assert.Equal(3UL, _machine.Load(driver.Virtio.Common + 0x12, 2));
        ulong[] before = Fields();
        Assert.Equal([1, 0xffff, 128, 16, 0], (ulong[])[before[0], before[2], before[3], before[4], before[5]]);
        Assert.NotEqual(0UL, before[1]);
        foreach (ulong at in (ulong[])[0, 4, 8, 12, 16, 28, 32]) _machine.Store(driver.Virtio.Device + at, 7, 4);
        Assert.Equal(before, Fields());

        // num_queues, seg_max, max_sectors, cmd_per_lun, event_info_size, max_channel, max_target, max_lun
        ulong[] Fields() => [.. new[] { (0, 4), (4, 4), (8, 4), (12, 4), (16, 4), (28, 2), (30, 2), (32, 4) }.Select(field => _machine.Load(driver.Virtio.Device + (ulong)field.Item1, field.Item2))];
    }

    [Theory]
    [InlineData(50, 108)]            // a header that ends too soon
    [InlineData(51, 107)]            // no room for a whole response
    public void A_chain_that_is_no_request_stops_the_device_until_it_is_reset(uint header, uint response)
    {
        ScsiDriver driver = Ready();
        driver.Virtio.Submit(2, (0x20_0000, header, false), (0x20_1000, response, true));
        driver.Virtio.WaitNeedsReset();
        driver = new ScsiDriver(_machine);
        Assert.Equal((6, 0x2900), driver.Execute(0, [0x00]).Sense);
        Assert.Equal((0, 0), driver.Execute(0, [0x00]).Ends);
    }

    // virtio 1.2 §5.6.6.2.
    [Fact]
    public void The_control_queue_answers_for_what_is_there()
    {
        ScsiDriver driver = Ready();
        Assert.Equal(3, driver.Control(ScsiDriver.Task(5, 7), 1)[0]);
        Assert.Equal(12, driver.Control(ScsiDriver.Task(5, 0, unit: 1), 1)[0]);
        Assert.Equal(11, driver.Control(ScsiDriver.Task(6, 0), 1)[0]);
        Assert.Equal(11, driver.Control(ScsiDriver.Task(2, 0), 1)[0]);
        Assert.Equal(0, driver.Control(ScsiDriver.Task(0, 0, tag: 77), 1)[0]);
        byte[] query = [1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0x7e, 0, 0, 0];
        Assert.Equal([0, 0, 0, 0, 0], driver.Control(query, 5));
        query[5] = 7;
        Assert.Equal(3, driver.Control(query, 5)[4]);
        Assert.Equal(9, driver.Control([9, 0, 0, 0], 1)[0]);
        Assert.Equal((0, 0), driver.Execute(0, [0x00]).Ends);
    }

    // virtio 1.2 §5.6.6.2: logical unit and nexus reset.
    [Theory]
    [InlineData(4, 1)]
    [InlineData(5, 0)]
    public void A_reset_of_a_disk_is_told_to_the_next_command_for_it_alone(uint function, byte unit)
    {
        ScsiDriver driver = Ready();
        Assert.Equal(0, driver.Control(ScsiDriver.Task(function, 0, unit), 1)[0]);
        Assert.Equal((0, 0), driver.Execute(1, [0x00]).Ends);
        Assert.Equal((6, 0x2903), driver.Execute(0, [0x00]).Sense);
        Assert.Equal((0, 0), driver.Execute(0, [0x00]).Ends);
    }

    // virtio 1.2 §5.6.6.3: VIRTIO_SCSI_T_PARAM_CHANGE.
    [Fact]
    public void A_disk_that_grows_tells_the_guest()
    {
        ScsiDriver driver = Ready();
        driver.Virtio.Submit(1, (0x22_0000, 16, true));
        Grow(2 << 20);
        Assert.Equal(16u, driver.Virtio.WaitUsed(1));
        Assert.Equal([3, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0x2a, 0x09, 0, 0], Event());
        Assert.Equal((6, 0x2a09), driver.Execute(0, [0x00]).Sense);
        Assert.Equal(4095u, Big32(driver.Execute(0, [0x25], 8).Data, 0));

        // Without a buffer the driver hears that it missed something.
        Grow(3 << 20);
        driver.Virtio.Submit(1, (0x22_0000, 16, true));
        Assert.Equal(16u, driver.Virtio.WaitUsed(1));
        Assert.Equal([0, 0, 0, 0x80, .. new byte[12]], Event());

        byte[] Event()
        {
            byte[] data = new byte[16];
            _machine.Memory.TryCopyOut(0x22_0000, data);
            return data;
        }

        void Grow(long bytes)
        {
            _device!.Stop();
            _machine.Services.Disks[0].Grow(bytes);
            _device.Start();
        }
    }

    [Theory]
    [InlineData(0)]
    [InlineData(63)]
    public void Queues_without_sense_are_the_operators_mistake(int queues) =>
        Assert.Contains("1 to 62", Assert.Throws<ConfigException>(() => DeviceFactories.Create(new VirtioScsiConfig("scsi", [], queues), _machine.Services)).Message, StringComparison.Ordinal);

    [Fact]
    public void Firmware_finds_the_disks_by_their_paths()
    {
        Bring();
        Assert.Equal(["/pci@i0cf8/scsi@1/channel@0/disk@1,0"], _machine.Services.BootDevices.Select(static device => device.Path));
    }

    public void Dispose()
    {
        _device?.Dispose();
        _machine.Dispose();
        File.Delete(_first);
        File.Delete(_second);
    }

    private ScsiDriver Bring()
    {
        File.WriteAllBytes(_first, new byte[Blocks * 512]);
        File.WriteAllBytes(_second, new byte[Blocks * 512]);
        _device = DeviceFactories.Create(new VirtioScsiConfig("scsi",
        [
            new ScsiDriveConfig("sd0", new DiskConfig(_first, "raw"), "first"), new ScsiDriveConfig("sd1", new DiskConfig(_second, "raw", ReadOnly: true)) { BootIndex = 1 },
        ]), _machine.Services);
        _machine.Pci.AssignResources(0, 0);
        _device.Start();
        return new ScsiDriver(_machine);
    }

    // With the unit attentions taken.
    private ScsiDriver Ready()
    {
        ScsiDriver driver = Bring();
        for (byte target = 0; target < 2; target++) Assert.Equal((6, 0x2900), driver.Execute(target, [0x00]).Sense);
        return driver;
    }

    private static byte[] Page(ScsiDriver driver, byte target, byte page)
    {
        ScsiResult result = driver.Execute(target, [0x12, 1, page, 0, 252], 252);
        Assert.Equal((0, 0), result.Ends);
        return result.Data[..(252 - (int)result.Residual)];
    }

    private static uint Big32(byte[] data, int at) => BinaryPrimitives.ReadUInt32BigEndian(data.AsSpan(at));
}
