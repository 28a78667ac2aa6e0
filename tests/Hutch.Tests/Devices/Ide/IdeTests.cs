using System;
using System.Buffers.Binary;
using System.IO;
using System.Linq;
using System.Text;
using Hutch.Core.State;
using Hutch.Devices;
using Hutch.Devices.Pci;
using Hutch.Model.Machine;
using Hutch.Tests.Devices.Virtio;
using Hutch.Vmm.Build;
using Xunit;

namespace Hutch.Tests.Devices.Ide;

/// <summary>The IDE controller of a PIIX3 (Intel 82371SB data sheet §3.3), its drives (ATA/ATAPI-6) and bus masters (Bus Master IDE 1.0).</summary>
public sealed class IdeTests : IDisposable
{
    private const int Sectors = 2048;

    private readonly string _path = Path.GetTempFileName(), _disc = Path.GetTempFileName();
    private readonly TestMachine _machine;
    private readonly PendingNode _pending = new();
    private IDevice? _device;

    public IdeTests()
    {
        byte[] disk = new byte[Sectors * 512];
        for (int i = 0; i < Sectors; i++) BinaryPrimitives.WriteInt32LittleEndian(disk.AsSpan(i * 512), i);
        File.WriteAllBytes(_path, disk);
        File.WriteAllBytes(_disc, disk);
        _machine = new TestMachine(config => config.Path == "pending" ? _pending : Disks.Open(config), machine: MachineKind.Pc);
        _ = _machine.Pci.Add(new Bridge());
    }

    public void Dispose()
    {
        _pending.IsDisposing = true;
        _pending.EndAll();
        _device?.Dispose();
        _machine.Dispose();
        File.Delete(_path);
        File.Delete(_disc);
    }

    private IdeDriver Begin(int channel = 0, int unit = 0, params AtaDriveConfig[] drives)
    {
        if (drives.Length == 0) drives = [new AtaDriveConfig("hd", new DiskConfig(_path, "raw"), Serial: "S1"), new AtaDriveConfig("cd", new DiskConfig(_disc, "raw", ReadOnly: true), IsCdRom: true) { Place = 2 }];
        _device = DeviceFactories.Create(new IdeConfig("ide", [.. drives]), _machine.Services);
        _machine.Pci.AssignResources(0, 0);
        _device.Start();
        return new IdeDriver(_machine, channel, unit);
    }

    private byte[] Memory(int count)
    {
        byte[] data = new byte[count];
        _machine.Memory.TryCopyOut(IdeDriver.Data, data);
        return data;
    }

    private static byte[] Numbered(int first, int count)
    {
        byte[] data = new byte[count * 512];
        for (int i = 0; i < count; i++) BinaryPrimitives.WriteInt32LittleEndian(data.AsSpan(i * 512), first + i);
        return data;
    }

    [Fact]
    public void The_controller_is_where_a_pc_has_it_and_shows_what_is_plugged_in()
    {
        IdeDriver disk = Begin(), nothing = new(_machine, 0, 1), disc = new(_machine, 1, 0);
        Assert.Equal(0x7010_8086u, _machine.ReadPortConfig(1, 1, 0));
        Assert.Equal(0x0101_80u, _machine.ReadPortConfig(1, 1, 8) >> 8);
        Assert.Equal(0x8000_8000u, _machine.ReadPortConfig(1, 1, 0x40));
        Assert.Equal(1u, _machine.ReadPortConfig(1, 1, 0x20) & 0xf);
        // Signatures (ATA/ATAPI-6 §9.12): count and address; a packet device is not ready yet.
        disk.Select();
        Assert.Equal((0x50, 1, 1, 0, 0), (disk[7], disk[2], disk[3], disk[4], disk[5]));
        disc.Select();
        Assert.Equal((0x00, 1, 1, 0x14, 0xeb), (disc[7], disc[2], disc[3], disc[4], disc[5]));
        nothing.Select();
        Assert.Equal((0, 0, 0), (nothing[7], nothing[2], nothing.Alternate));
    }

    // ATA/ATAPI-6 §6.2.
    [Fact]
    public void Count_and_address_are_two_deep()
    {
        IdeDriver driver = Begin();
        driver.Select();
        (driver[3], driver[3]) = (0x12, 0x34);
        Assert.Equal(0x34, driver[3]);
        driver.Alternate = 0x80;
        Assert.Equal(0x12, driver[3]);
        driver[2] = 1;                              // any write goes back to the low order
        Assert.Equal(0x34, driver[3]);
    }

    // ATA/ATAPI-6 §7: BSY, DRQ and the interrupt, which reading the status ends.
    [Fact]
    public void Identify_is_read_through_the_data_port_and_interrupts_once()
    {
        IdeDriver driver = Begin();
        driver.Issue(0xec);
        IdeDriver.Until(() => driver.HasInterrupt);
        Assert.Equal(0x58, driver[7]);
        Assert.False(driver.HasInterrupt);
        byte[] identity = driver.ReadData();
        Assert.Equal(512, identity.Length);
        Assert.Equal((0x50, false), (driver.Alternate, driver.HasInterrupt));
        Assert.Equal(Sectors, BinaryPrimitives.ReadInt32LittleEndian(identity.AsSpan(120)));
        Assert.Equal(0x6001, BinaryPrimitives.ReadUInt16LittleEndian(identity.AsSpan(2 * 93)));
        Assert.Equal(0, BinaryPrimitives.ReadUInt16LittleEndian(identity.AsSpan(2 * 76)));
        Assert.Equal((byte)'S', identity[21]);
        Assert.Equal(0, identity.Sum(static value => value) & 0xff);
    }

    [Theory]
    [InlineData(0x20, 0x30, 1)]                     // READ and WRITE SECTORS: an interrupt for each sector
    [InlineData(0x24, 0x34, 1)]                     // EXT
    [InlineData(0xc4, 0xc5, 4)]                     // MULTIPLE, by four sectors
    [InlineData(0x29, 0x39, 4)]                     // MULTIPLE EXT
    public void Sectors_are_read_and_written_through_the_data_port(byte read, byte write, int block)
    {
        IdeDriver driver = Begin();
        Assert.Equal(0x50, driver.Run(0xc6, count: 4));
        driver.Issue(read, 5, 10);
        for (int at = 0; at < 10; at += block)
        {
            Assert.Equal(0x58, driver.Wait());
            Assert.Equal(Numbered(5 + at, Math.Min(block, 10 - at)), driver.ReadData(Math.Min(block, 10 - at) * 512));
        }
        Assert.Equal((0x50, false), (driver.Alternate, driver.HasInterrupt));
        driver.Issue(write, 100, 6);
        IdeDriver.Until(() => (driver.Alternate & 0x80) == 0);
        Assert.Equal((0x58, false), (driver.Alternate, driver.HasInterrupt));
        driver.WriteData(Numbered(1000, 6));
        IdeDriver.Until(() => driver.HasInterrupt && driver.Alternate == 0x50);
        Assert.Equal(0x50, driver.Run(0xe7));
        Assert.Equal(Numbered(1000, 6), File.ReadAllBytes(_path)[(100 * 512)..(106 * 512)]);
    }

    [Fact]
    public void Transfers_longer_than_the_buffer_go_part_by_part()
    {
        IdeDriver driver = Begin();
        driver.Issue(0x24, 1, 300);
        Assert.Equal(Numbered(1, 300), driver.ReadData());
        driver.Issue(0x34, 700, 300);
        IdeDriver.Until(() => (driver.Alternate & 0x80) == 0);
        driver.WriteData(Numbered(5000, 300));
        Assert.Equal(0x50, driver.Wait());
        Assert.Equal(0x50, driver.Run(0xea));
        Assert.Equal(Numbered(5000, 300), File.ReadAllBytes(_path)[(700 * 512)..(1000 * 512)]);
    }

    // Bus Master IDE 1.0 §2, §3.1.
    [Theory]
    [InlineData(0xc8, 0xca)]
    [InlineData(0x25, 0x35)]
    public void Sectors_are_read_and_written_by_the_bus_master(byte read, byte write)
    {
        IdeDriver driver = Begin();
        driver.PrepareMaster(1024, 2, 510, 512);
        Assert.Equal((0x50, 0x04), driver.RunMaster(read, 7, 4, toMemory: true));
        Assert.Equal(Numbered(7, 4), Memory(2048));
        _machine.Memory.TryCopyIn(IdeDriver.Data, Numbered(3000, 4));
        Assert.Equal((0x50, 0x04), driver.RunMaster(write, 200, 4, toMemory: false));
        Assert.Equal(0x50, driver.Run(0xe7));
        Assert.Equal(Numbered(3000, 4), File.ReadAllBytes(_path)[(200 * 512)..(204 * 512)]);
    }

    // Bus Master IDE 1.0 §3.1.
    [Fact]
    public void A_length_of_zero_is_64_KiB_and_a_table_with_room_left_stays_active()
    {
        IdeDriver driver = Begin();
        driver.PrepareMaster(0);
        Assert.Equal((0x50, 0x04), driver.RunMaster(0xc8, 0, 128, toMemory: true));
        Assert.Equal((0x50, 0x05), driver.RunMaster(0xc8, 0, 1, toMemory: true));
    }

    [Fact]
    public void A_table_that_is_too_short_or_no_ram_is_an_error_and_the_next_command_works()
    {
        IdeDriver driver = Begin();
        driver.PrepareMaster(512);
        Assert.Equal(0x51, driver.RunMaster(0xc8, 0, 2, toMemory: true).Status);
        Assert.Equal(0x04, driver[1]);
        _machine.Out((ushort)(driver.Master + 4), 0xfff0_0000, 4);
        Assert.Equal((0x51, 0x06), driver.RunMaster(0xc8, 0, 2, toMemory: true));
        // A table of 8192 entries without an end.
        byte[] endless = new byte[0x1_0000];
        for (int i = 0; i < endless.Length; i += 8) BinaryPrimitives.WriteUInt64LittleEndian(endless.AsSpan(i), 0x0002_0000_0000 | 0x50_0000);
        _machine.Memory.TryCopyIn(0x20_0000, endless);
        _machine.Out((ushort)(driver.Master + 4), 0x20_0000, 4);
        Assert.Equal((0x50, 0x05), driver.RunMaster(0xc8, 0, 2, toMemory: true));
        driver.PrepareMaster(512);
        Assert.Equal((0x50, 0x04), driver.RunMaster(0xc8, 3, 1, toMemory: true));
        Assert.Equal(3, Memory(1)[0]);
    }

    [Fact]
    public void A_started_bus_master_may_wait_for_its_command()
    {
        IdeDriver driver = Begin();
        driver.PrepareMaster(512);
        _machine.Out(driver.Master, 9, 1);
        Assert.Equal(1u, _machine.In((ushort)(driver.Master + 2), 1));
        Assert.Equal(0x50, driver.Run(0xc8, 9, 1));
        Assert.Equal(9, Memory(1)[0]);
    }

    [Fact]
    public void What_the_disk_cannot_do_is_an_error()
    {
        IdeDriver driver = Begin();
        Assert.Equal((0x51, 0x10), (driver.Run(0x24, Sectors, 1), driver[1]));
        Assert.Equal((0x51, 0x04), (driver.Run(0xb0), driver[1]));
        Assert.Equal((0x51, 0x04), (driver.Run(0x60), driver[1]));          // queued commands are serial ATA's
        Assert.Equal((0x51, 0x04), (driver.Run(0xa0), driver[1]));
        Assert.Equal((0x51, 0x04), (driver.Run(0xa1), driver[1]));
        Assert.Equal((0x51, 0x04), (driver.Run(0x91), driver[1]));          // tracks without sectors
    }

    [Fact]
    public void Cylinders_heads_and_sectors_are_translated_as_the_guest_has_said()
    {
        IdeDriver driver = Begin();
        Assert.Equal(0x58, At(driver, 1, 2, 3));
        Assert.Equal((byte)(((((1 * 16) + 2) * 63) + 3 - 1) & 0xff), driver.ReadData()[0]);
        driver.Select(0xa3);                                                // four heads, 17 sectors a track
        driver[2] = 17;
        driver[7] = 0x91;
        Assert.Equal(0x50, driver.Wait());
        Assert.Equal(0x58, At(driver, 5, 3, 17));
        Assert.Equal((((5 * 4) + 3) * 17) + 16, BinaryPrimitives.ReadInt32LittleEndian(driver.ReadData()));
        foreach ((int cylinder, int head, int sector) in new[] { (0, 4, 1), (0, 0, 0), (0, 0, 18), (31, 0, 1) })
            Assert.Equal((0x51, 0x10), (At(driver, cylinder, head, sector), driver[1]));
        Assert.Equal(0x58, driver.Run(0xec));
        byte[] identity = driver.ReadData();
        Assert.Equal((4, 17, Sectors / 68 * 68), (identity[110], identity[112], BinaryPrimitives.ReadInt32LittleEndian(identity.AsSpan(114))));
    }

    private static byte At(IdeDriver driver, int cylinder, int head, int sector)
    {
        driver.Select((byte)(0xa0 | head));
        (driver[2], driver[3], driver[4], driver[5], driver[7]) = (1, (byte)sector, (byte)cylinder, (byte)(cylinder >> 8), 0x20);
        return driver.Wait();
    }

    [Fact]
    public void The_disc_is_read_by_packets_through_the_data_port()
    {
        IdeDriver driver = Begin(channel: 1);
        Assert.Equal((0x51, 0x04), (driver.Run(0xec), driver[1]));
        Assert.Equal((0x14, 0xeb), (driver[4], driver[5]));
        Assert.Equal(0x58, driver.Run(0xa1));
        Assert.Equal(0x85c0, BinaryPrimitives.ReadUInt16LittleEndian(driver.ReadData()));
        Assert.Equal((0x50, 0), driver.Packet(out byte[] data, 36, 0x12, 0, 0, 0, 36));
        Assert.Equal("Hutch   CD-ROM", Encoding.ASCII.GetString(data, 8, 14));
        Assert.Equal((0x50, 0), driver.Packet(out data, 0xfffe, 0x28, 0, 0, 0, 0, 3, 0, 0, 40));
        Assert.Equal(Numbered(12, 160), data);
        Assert.Equal((0x51, 0x54), driver.Packet(out _, 2048, 0x28, 0, 0, 1, 0, 0, 0, 0, 1));
        Assert.Equal((0x50, 0), driver.Packet(out data, 18, 0x03, 0, 0, 0, 18));
        Assert.Equal((5, 0x21), (data[2], data[12]));
        Assert.Equal((0x51, 0x04), driver.Packet(out _, 0, 0x12, 0, 0, 0, 36));   // no limit
        Assert.Equal((0x50, 0), driver.Packet(out _, 0, 0x00));
    }

    // ATA/ATAPI-6 §8.23: interrupt reason and byte count.
    [Fact]
    public void A_packet_command_tells_by_its_registers_what_is_next()
    {
        IdeDriver driver = Begin(channel: 1);
        driver.Issue(0xa0, 2000UL << 8);
        Assert.Equal((0x58, 1, false), (driver.Alternate, driver[2], driver.HasInterrupt));       // the packet, without an interrupt
        driver.WriteData([0x28, 0, 0, 0, 0, 1, 0, 0, 2, 0, 0, 0]);
        int taken = 0;
        foreach (int block in new[] { 2000, 2000, 96 })
        {
            IdeDriver.Until(() => driver.HasInterrupt);
            Assert.Equal((0x58, 2, block), (driver[7], driver[2], driver[4] | driver[5] << 8));   // data in, and how much
            taken += driver.ReadData(block).Length;
        }
        IdeDriver.Until(() => driver.HasInterrupt);
        Assert.Equal((0x50, 3, 4096), (driver[7], driver[2], taken));
    }

    [Fact]
    public void The_disc_is_read_by_the_bus_master()
    {
        IdeDriver driver = Begin(channel: 1);
        driver.PrepareMaster(4096);
        driver.Issue(0xa0, features: 1);
        driver.WriteData([0x28, 0, 0, 0, 0, 3, 0, 0, 2, 0, 0, 0]);
        _machine.Out(driver.Master, 9, 1);
        Assert.Equal(0x50, driver.Wait());
        Assert.Equal(3, driver[2]);
        Assert.Equal(Numbered(12, 8), Memory(4096));
        _machine.Out(driver.Master, 0, 1);
        _machine.Out((ushort)(driver.Master + 4), 0xfff0_0000, 4);
        driver.Issue(0xa0, features: 1);
        driver.WriteData(new byte[12]);                                     // TEST UNIT READY moves nothing
        Assert.Equal(0x50, driver.Wait());
    }

    // ATA/ATAPI-6 §9.12 (signatures).
    [Fact]
    public void A_software_reset_shows_signatures_and_device_reset_only_that_of_its_device()
    {
        IdeDriver disk = Begin(), disc = new(_machine, 1, 0);
        Assert.Equal(0x58, disk.Run(0x20, 0, 1));
        disk.Reset();
        Assert.Equal((0x50, 1, 1, 1), (disk.Alternate, disk[1], disk[2], disk[3]));
        Assert.Equal(0x58, disc.Run(0xa1));
        disc[7] = 0x08;
        Assert.Equal((0x00, 0x14, 0xeb), (disc.Wait(), disc[4], disc[5]));
        disk.Issue(0x90);
        IdeDriver.Until(() => disk.HasInterrupt);
        Assert.Equal((0x50, 1), (disk[7], disk[1]));
    }

    [Fact]
    public void A_reset_while_storage_works_ends_when_storage_has_ended_and_the_command_unseen()
    {
        IdeDriver driver = Begin(0, 0, new AtaDriveConfig("hd", new DiskConfig("pending")));
        driver.Issue(0x24, 0, 1);
        PendingNode.Pending pending = _pending.WaitFor(1)[0];
        driver.Alternate = 4;
        driver.Alternate = 0;
        Assert.Equal(0x80, driver.Alternate);
        driver[7] = 0xec;                                                   // not while it is busy
        _pending.End(pending);
        Assert.Equal(0x50, driver.Wait());
        Assert.False(driver.HasInterrupt);
        Assert.Equal(0x58, driver.Run(0xec));
    }

    [Fact]
    public void Storage_that_fails_is_the_guests_error()
    {
        IdeDriver driver = Begin(0, 0, new AtaDriveConfig("hd", new DiskConfig("pending")));
        driver.Issue(0x24, 0, 1);
        _pending.End(_pending.WaitFor(1)[0], errno: 5);
        Assert.Equal((0x51, 0x40), (driver.Wait(), driver[1]));
        driver.PrepareMaster(512);
        driver.Issue(0xca, 0, 1);
        _machine.Out(driver.Master, 1, 1);
        _pending.End(_pending.WaitFor(1)[0], errno: 5);
        Assert.Equal((0x51, 0x04), (driver.Wait(), driver[1]));
        Assert.Equal(2, _machine.Platform.Failures.Length);
    }

    // ATA/ATAPI-6 §7: nIEN of the device control register.
    [Fact]
    public void Interrupts_can_be_switched_off_and_wait()
    {
        IdeDriver driver = Begin();
        driver.Alternate = 2;
        driver.Issue(0xe7);
        IdeDriver.Until(() => driver.Alternate == 0x50);
        Assert.False(driver.HasInterrupt);
        driver.Alternate = 0;
        Assert.True(driver.HasInterrupt);
        Assert.Equal(0x50, driver[7]);
        Assert.False(driver.HasInterrupt);
    }

    // ATA/ATAPI-6 §9.16.
    [Fact]
    public void Two_drives_of_a_channel_have_registers_of_their_own()
    {
        IdeDriver first = Begin(0, 0, new AtaDriveConfig("a", new DiskConfig(_path, "raw")), new AtaDriveConfig("b", new DiskConfig(_disc, "raw", ReadOnly: true))), second = new(_machine, 0, 1);
        Assert.Equal(0x58, first.Run(0x20, 4, 1));
        second.Select();
        Assert.Equal(0x50, second.Alternate);
        second[7] = 0xec;                                                   // the channel has a command
        first.Select();
        Assert.Equal(4, first.ReadData()[0]);
        Assert.Equal(0x58, second.Run(0x20, 6, 1));
        Assert.Equal(6, second.ReadData()[0]);
        Assert.Equal((0x51, 0x04), (second.Run(0x30, 6, 1), second[1]));    // it is read-only
    }

    [Fact]
    public void A_controller_is_refused_outside_a_pc_and_drives_where_there_is_no_place()
    {
        using TestMachine other = new();
        Assert.Contains("a part of the machine pc", Assert.Throws<ConfigException>(() => DeviceFactories.Create(new IdeConfig("ide", []), other.Services)).Message, StringComparison.Ordinal);
        AtaDriveConfig drive = new("a", new DiskConfig(_path, "raw", ReadOnly: true));
        Assert.Contains("both belong at place 1", Assert.Throws<ConfigException>(() => Begin(0, 0, drive with { Place = 1 }, drive with { Id = "b", Place = 1 })).Message, StringComparison.Ordinal);
        Assert.Contains("has 4 places", Assert.Throws<ConfigException>(() => Begin(0, 0, drive with { Place = 4 })).Message, StringComparison.Ordinal);
        _device = DeviceFactories.Create(new IdeConfig("ide", []), _machine.Services);
        Assert.Contains("the machine's second", Assert.Throws<ConfigException>(() => DeviceFactories.Create(new IdeConfig("other", []), _machine.Services)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_transfer_goes_on_in_a_restored_controller()
    {
        IdeDriver driver = Begin();
        driver.Issue(0x24, 1, 300);
        byte[] before = driver.ReadData(70 * 512 + 100);
        byte[] state = Exchange();
        _device!.Reset();
        _device.Exchange(new StateReader("ide", state));
        _device.Start();
        Assert.Equal(Numbered(1, 300), before.Concat(driver.ReadData()).ToArray());
    }

    [Fact]
    public void A_command_that_awaits_its_bus_master_goes_on_in_a_restored_controller()
    {
        IdeDriver driver = Begin();
        driver.PrepareMaster(60_000, 60_000, 60_000);
        driver.Issue(0x25, 5, 300);
        byte[] state = Exchange();
        _device!.Reset();
        _device.Exchange(new StateReader("ide", state));
        _device.Start();
        _machine.Out(driver.Master, 9, 1);
        Assert.Equal(0x50, driver.Wait());
        Assert.Equal(Numbered(5, 300), Memory(300 * 512));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void Random_accesses_leave_a_controller_that_works_and_restores_what_it_saved(int seed)
    {
        IdeDriver disk = Begin(), disc = new(_machine, 1, 0);
        Random random = new(seed);
        byte[] commands = [0x20, 0x24, 0x29, 0x30, 0x34, 0xc4, 0xc5, 0xc6, 0xc8, 0xca, 0x25, 0x35, 0x06, 0x08, 0x2f, 0x47, 0x90, 0x91, 0xa0, 0xa1, 0xec, 0xef, 0xe7, 0xe5];
        for (int round = 0; round < 40; round++)
        {
            disk.PrepareMaster(random.Next(1, 0x1_0000), random.Next(1, 0x1_0000));
            for (int i = 0; i < 2500; i++)
            {
                ushort command = (ushort)(random.Next(2) == 0 ? 0x1f0 : 0x170), master = (ushort)(disk.Master & ~8);
                switch (random.Next(9))
                {
                    case 0: _machine.Out((ushort)(command + random.Next(1, 7)), (uint)random.Next(random.Next(2) == 0 ? 8 : 256), 1); break;
                    case 1: _machine.Out((ushort)(command + 6), (uint)(0xe0 | (random.Next(8) == 0 ? 0x10 : 0)), 1); break;
                    case 2: _machine.Out((ushort)(command + 7), random.Next(4) == 0 ? (uint)random.Next(256) : commands[random.Next(commands.Length)], 1); break;
                    case 3: _ = _machine.In((ushort)(command + random.Next(8)), 1); break;
                    case 4: _machine.Out((ushort)(command + 0x206), (uint)(random.Next(8) == 0 ? random.Next(256) : 0), 1); break;
                    case 5: _machine.Out((ushort)(master + random.Next(4) + (random.Next(2) * 8)), (uint)random.Next(256), 1); break;
                    case 6 when random.Next(20) == 0: _machine.Out((ushort)(master + 4 + (random.Next(2) * 8)), (uint)random.Next(), 4); break;
                    case 7: for (int n = random.Next(300); n > 0; n--) _ = _machine.In(command, 1 << random.Next(3)); break;
                    default: for (int n = random.Next(300); n > 0; n--) _machine.Out(command, (uint)random.Next(random.Next(2) == 0 ? 2 : int.MaxValue), 1 << random.Next(3)); break;
                }
            }
            byte[] state = Exchange();
            _device!.Reset();
            _device.Exchange(new StateReader("ide", state));
            Assert.Equal(state, Exchange());
            _device.Start();
        }
        disk.Reset();
        disc.Reset();
        Assert.Equal(0x58, disk.Run(0xec));
        Assert.Equal(512, disk.ReadData().Length);
        Assert.Equal((0x50, 0), disc.Packet(out _, 8, 0x1b, 0, 0, 0, 3));     // the tray may have been opened
        Assert.Equal((0x50, 0), disc.Packet(out byte[] capacity, 8, 0x25));
        Assert.Equal((Sectors / 4) - 1, BinaryPrimitives.ReadInt32BigEndian(capacity));
    }

    [Fact]
    public void A_damaged_state_is_refused_or_gives_a_controller_that_works()
    {
        IdeDriver driver = Begin();
        driver.Issue(0x34, 1, 300);
        IdeDriver.Until(() => (driver.Alternate & 0x80) == 0);
        driver.WriteData(new byte[700]);
        byte[] state = Exchange();
        Random random = new(5);
        int refused = 0;
        for (int round = 0; round < 3000; round++)
        {
            byte[] damaged = (byte[])state.Clone();
            // Outside the buffer's content, which is most of it.
            damaged[random.Next(2) == 0 ? random.Next(900) : damaged.Length - 1 - random.Next(900)] = (byte)random.Next(256);
            try
            {
                _device!.Exchange(new StateReader("ide", damaged));
                _device.Start();
                _ = driver.Alternate;
                driver[0] = 1;
                _device.Stop();
            }
            catch (StateException)
            {
                refused++;
            }
        }
        Assert.NotEqual(0, refused);
        _device!.Reset();
        _machine.Pci.AssignResources(0, 0);
        _device.Start();
        Assert.Equal(0x58, driver.Run(0xec));
    }

    private byte[] Exchange()
    {
        _device!.Stop();
        StateWriter writer = new("ide");
        _device.Exchange(writer);
        return writer.Body.ToArray();
    }

    // What is in slot 1 before the controller.
    private sealed class Bridge() : PciFunction("bridge", new PciIdentity(0x8086, 0x7000, 0x060100));
}
