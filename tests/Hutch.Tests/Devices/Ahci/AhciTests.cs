using System;
using System.Buffers.Binary;
using System.IO;
using System.Linq;
using System.Text;
using Hutch.Core.State;
using Hutch.Devices;
using Hutch.Model.Machine;
using Hutch.Tests.Devices.Virtio;
using Hutch.Vmm.Build;
using Xunit;

namespace Hutch.Tests.Devices.Ahci;

/// <summary>The SATA controller (AHCI 1.3.1) and its drives (ATA8-ACS, MMC-6).</summary>
public sealed class AhciTests : IDisposable
{
    private const int Sectors = 2048;

    private readonly string _path = Path.GetTempFileName(), _disc = Path.GetTempFileName();
    private readonly TestMachine _machine;
    private readonly PendingNode _pending = new();
    private IDevice? _device;

    public AhciTests()
    {
        byte[] disk = new byte[Sectors * 512];
        for (int i = 0; i < Sectors; i++) BinaryPrimitives.WriteInt32LittleEndian(disk.AsSpan(i * 512), i);
        File.WriteAllBytes(_path, disk);
        File.WriteAllBytes(_disc, disk);
        _machine = new TestMachine(config => config.Path == "pending" ? _pending : Disks.Open(config));
    }

    public void Dispose()
    {
        _pending.IsDisposing = true;
        _device?.Dispose();
        _machine.Dispose();
        File.Delete(_path);
        File.Delete(_disc);
    }

    private AhciDriver Begin(int port = 0, params AtaDriveConfig[] drives)
    {
        if (drives.Length == 0) drives = [new AtaDriveConfig("hd", new DiskConfig(_path, "raw"), Serial: "S1"), new AtaDriveConfig("cd", new DiskConfig(_disc, "raw", ReadOnly: true), IsCdRom: true)];
        _device = DeviceFactories.Create(new AhciConfig("sata", [.. drives]), _machine.Services);
        _machine.Pci.AssignResources(0, 0);
        _device.Start();
        return new AhciDriver(_machine, 1, port);
    }

    // AHCI 1.3.1 §3.1 (CAP, PI), §3.3.9 (PxSIG), §3.3.10 (PxSSTS), §3.3.8 (PxTFD), §10.1.2 (the first FIS).
    [Fact]
    public void The_controller_says_what_it_is_and_what_is_plugged_in()
    {
        AhciDriver disk = Begin(), disc = new(_machine, 1, 1), nothing = new(_machine, 1, 2);
        Assert.Equal(0x2922_8086u, _machine.ReadConfig(1, 0));
        Assert.Equal(0x0106_0102u, _machine.ReadConfig(1, 8));
        Assert.Equal(0x3fUL, _machine.Load(disk.Base + 0x0c, 4));
        Assert.Equal(5UL, _machine.Load(disk.Base, 4) & 0x1f);
        Assert.Equal((0x101u, 0xeb14_0101u, uint.MaxValue), (disk[0x24], disc[0x24], nothing[0x24]));
        Assert.Equal((0x133u, 0x133u, 0u), (disk[0x28], disc[0x28], nothing[0x28]));
        Assert.Equal(0x50u, disk[0x20] & 0xff);
        Assert.Equal(0x34, disk.ReceivedFis(0x40)[0]);
    }

    // ATA8-ACS §7.16; AHCI 1.3.1 §4.2.1 (PIO setup FIS), §4.2.2 (PRDBC).
    [Fact]
    public void Identify_tells_the_size_and_the_serial_number()
    {
        AhciDriver driver = Begin();
        Assert.Equal(0x50u, driver.Run(0xec, bytes: 512) & 0xff);
        byte[] identity = driver.Read(512);
        Assert.Equal(Sectors, BinaryPrimitives.ReadInt32LittleEndian(identity.AsSpan(120)));
        Assert.Equal(Sectors, BinaryPrimitives.ReadInt64LittleEndian(identity.AsSpan(200)));
        Assert.Equal((byte)'S', identity[21]);
        Assert.Equal((byte)'1', identity[20]);
        Assert.Equal(0, identity.Sum(static value => value) & 0xff);
        Assert.Equal(512u, driver.Moved);
        Assert.Equal(0x5f, driver.ReceivedFis(0x20)[0]);
    }

    // ATA8-ACS §7.
    [Theory]
    [InlineData(0x25, 0x35)]                // DMA EXT
    [InlineData(0xc8, 0xca)]                // DMA
    [InlineData(0x20, 0x30)]                // programmed
    [InlineData(0x29, 0x3d)]                // multiple EXT, FUA
    public void Sectors_are_read_and_written(byte read, byte write)
    {
        AhciDriver driver = Begin();
        Assert.Equal(0x50u, driver.Run(read, 7, 2, 1024) & 0xff);
        Assert.Equal(7, driver.Read(1024)[0]);
        Assert.Equal(8, driver.Read(1024)[512]);
        _machine.Memory.TryWrite(AhciDriver.Data, 0x1122_3344u);
        Assert.Equal(0x50u, driver.Run(write, 100, 1, 512) & 0xff);
        Assert.Equal(0x50u, driver.Run(0xea) & 0xff);
        Assert.Equal(0x1122_3344, BinaryPrimitives.ReadInt32LittleEndian(File.ReadAllBytes(_path).AsSpan(100 * 512)));
    }

    // ATA8-ACS §6: IDNF and ABRT; AHCI 1.3.1 §3.3.8.
    [Fact]
    public void What_the_disk_cannot_do_is_an_error_and_the_next_command_works()
    {
        AhciDriver driver = Begin();
        Assert.Equal(0x1051u, driver.Run(0x25, Sectors, 1, 512) & 0xffff);        // not there
        Assert.Equal(0x1051u, driver.Run(0x25, ulong.MaxValue >> 16, 1, 512) & 0xffff);
        Assert.Equal(0x0451u, driver.Run(0x25, 0, 2, 512) & 0xffff);              // more than there is room for
        Assert.Equal(0x0451u, driver.Run(0xc8, 0, 1, 512, device: 0) & 0xffff);   // cylinders
        Assert.Equal(0x0451u, driver.Run(0xb0) & 0xffff);
        Assert.Equal(0x50u, driver.Run(0x25, 0, 1, 512) & 0xff);
    }

    // AHCI 1.3.1 §3.3.13 (PxSACT), §4.2.1 (set device bits FIS).
    [Fact]
    public void Queued_commands_are_in_flight_together_and_end_by_their_tags()
    {
        AhciDriver driver = Begin(0, new AtaDriveConfig("hd", new DiskConfig("pending")));
        for (int slot = 0; slot < 3; slot++) driver.Put(slot, slot == 1 ? (byte)0x61 : (byte)0x60, (ulong)slot * 8, slot << 3, 4096, features: 8);
        driver[0x34] = 7;
        driver[0x38] = 7;
        PendingNode.Pending[] pending = _pending.WaitFor(3);
        AhciDriver.Wait(() => driver[0x38] == 0);
        Assert.Equal(7u, driver[0x34]);
        _pending.End(pending[2]);
        AhciDriver.Wait(() => driver[0x34] == 3);
        Assert.Equal(0xa1, driver.ReceivedFis(0x58)[0]);
        _pending.End(pending[0]);
        _pending.End(pending[1]);
        AhciDriver.Wait(() => driver[0x34] == 0);
        Assert.Equal(8u, driver[0x10] & 8);
    }

    [Fact]
    public void A_queued_command_that_fails_is_in_the_log()
    {
        AhciDriver driver = Begin(0, new AtaDriveConfig("hd", new DiskConfig("pending")));
        driver.Put(4, 0x60, 16, 4 << 3, 4096, features: 8);
        driver[0x34] = driver[0x38] = 1 << 4;
        _pending.End(_pending.WaitFor(1)[0], errno: 5);
        AhciDriver.Wait(() => (driver[0x10] & 0x4000_0000) != 0);
        Assert.Equal(0x4051u, driver[0x20] & 0xffff);
        Assert.Equal(1u << 4, driver[0x34]);
        driver.Start();
        Assert.Equal(0u, driver[0x34]);
        Assert.Equal(0x50u, driver.Run(0x2f, 0x10, 1, 512) & 0xff);
        byte[] log = driver.Read(512);
        Assert.Equal((4, 0x51, 0x40, 16), (log[0], log[2], log[3], log[4]));
        Assert.Single(_machine.Platform.Failures);
    }

    // AHCI 1.3.1 §3.3.7: PxCMD.ST and PxCMD.CR.
    [Fact]
    public void A_list_that_is_stopped_runs_until_its_storage_is_done_and_answers_nothing()
    {
        AhciDriver driver = Begin(0, new AtaDriveConfig("hd", new DiskConfig("pending")));
        driver.Put(0, 0x25, 0, 1, 512);
        driver[0x38] = 1;
        PendingNode.Pending pending = _pending.WaitFor(1)[0];
        driver[0x18] = 0x10;
        Assert.Equal((0u, 0x8000u), (driver[0x38], driver[0x18] & 0x8000));
        driver[0x10] = uint.MaxValue;
        _pending.End(pending);
        AhciDriver.Wait(() => (driver[0x18] & 0x8000) == 0);
        Assert.Equal(0u, driver[0x10]);
        _pending.IsPrompt = true;
        driver.Start();
        Assert.Equal(0x50u, driver.Run(0x25, 0, 1, 512) & 0xff);
    }

    // ATA8-ACS §7.10.3.2.
    [Fact]
    public void Trim_discards_its_ranges()
    {
        AhciDriver driver = Begin(0, new AtaDriveConfig("hd", new DiskConfig("pending")));
        byte[] list = new byte[512];
        BinaryPrimitives.WriteUInt64LittleEndian(list, 8 | 16UL << 48);
        BinaryPrimitives.WriteUInt64LittleEndian(list.AsSpan(8), 100 | 1UL << 48);
        _machine.Memory.TryCopyIn(AhciDriver.Data, list);
        driver.Put(0, 0x06, 0, 1, 512, features: 1);
        driver[0x38] = 1;
        PendingNode.Pending first = _pending.WaitFor(1)[0];
        Assert.Equal(("discard", 4096L, 8192L), (first.Kind, first.Offset, first.LengthBytes));
        _pending.End(first);
        _pending.End(_pending.WaitFor(1)[0]);
        AhciDriver.Wait(() => driver[0x38] == 0);
        Assert.Equal(0x50u, driver[0x20] & 0xff);
    }

    // AHCI 1.3.1 §3.3.5 (PxIS), §3.1.3 (IS), §3.1.2 (GHC.IE): written ones clear.
    [Fact]
    public void Interrupts_are_a_level_that_two_registers_clear()
    {
        AhciDriver driver = Begin();
        _machine.Store(driver.Base + 4, 2, 4);
        driver[0x14] = 1;
        int gsi = Hutch.Devices.Pci.PciBus.GsiOf(1, 0);
        driver.Put(0, 0x25, 0, 1, 512);
        driver[0x38] = 1;
        AhciDriver.Wait(() => _machine.Gsi[gsi]);
        driver[0x10] = uint.MaxValue;
        Assert.True(_machine.Gsi[gsi]);
        _machine.Store(driver.Base + 8, 1, 4);
        Assert.False(_machine.Gsi[gsi]);
    }

    // AHCI 1.3.1 §3.1: CAP, PI and VS are read-only, GHC.AE stays; §3.3: alignment of PxCLB and PxFB, reserved bits of PxIE, PxSIG and PxSSTS are read-only.
    [Fact]
    public void Registers_have_their_reserved_and_read_only_bits()
    {
        AhciDriver driver = Begin();
        driver[0x18] = 0;
        AhciDriver.Wait(() => (driver[0x18] & 0xc000) == 0);
        ulong[] before = [.. new ulong[] { 0x00, 0x0c, 0x10 }.Select(at => _machine.Load(driver.Base + at, 4))];
        Assert.Equal(0x0001_0301UL, before[2]);
        foreach (ulong at in (ulong[])[0x00, 0x0c, 0x10]) _machine.Store(driver.Base + at, ~before[0] & uint.MaxValue, 4);
        Assert.Equal(before, new ulong[] { 0x00, 0x0c, 0x10 }.Select(at => _machine.Load(driver.Base + at, 4)));
        _machine.Store(driver.Base + 4, 0, 4);
        Assert.Equal(0x8000_0000UL, _machine.Load(driver.Base + 4, 4));
        driver[0x00] = driver[0x08] = driver[0x14] = uint.MaxValue;
        Assert.Equal((0xffff_fc00u, 0xffff_ff00u, 0xfdc0_00ffu), (driver[0x00], driver[0x08], driver[0x14]));
        driver[0x24] = driver[0x28] = 0;
        Assert.Equal((0x101u, 0x133u), (driver[0x24], driver[0x28]));
        // A list that is not started takes no commands (§3.3.13, §3.3.14).
        driver[0x34] = driver[0x38] = 1;
        Assert.Equal((0u, 0u), (driver[0x34], driver[0x38]));
    }

    // AHCI 1.3.1 §3.3.11: DET of PxSCTL resets the device; §3.3.12 and §3.3.5: DIAG.X of PxSERR and PCS of PxIS say so until ones are written.
    [Fact]
    public void A_reset_of_a_port_is_told_by_its_error_register()
    {
        AhciDriver driver = Begin();
        driver[0x18] = 0x10;
        driver[0x30] = driver[0x10] = uint.MaxValue;
        Assert.Equal((0u, 0u), (driver[0x30], driver[0x10] & 0x40));
        driver[0x2c] = 1;
        Assert.Equal((0u, 0x7fu), (driver[0x28], driver[0x20] & 0xff));
        driver[0x2c] = 0;
        Assert.Equal((0x133u, 1u << 26, 0x40u), (driver[0x28], driver[0x30] & 1 << 26, driver[0x10] & 0x40));
        driver[0x30] = driver[0x10] = uint.MaxValue;
        Assert.Equal((0u, 0u), (driver[0x30], driver[0x10] & 0x40));
    }

    // AHCI 1.3.1 §10.4.3: the controller's own reset takes all but the addresses of list and FIS area; that of the machine takes these too. GHC.HR reads as zero (§3.1.2).
    [Fact]
    public void A_reset_of_the_controller_leaves_the_addresses_of_its_lists()
    {
        AhciDriver driver = Begin();
        (uint list, uint fis) = (driver[0x00], driver[0x08]);
        driver[0x14] = uint.MaxValue;
        _machine.Store(driver.Base + 4, 3, 4);
        Assert.Equal(0x8000_0000UL, _machine.Load(driver.Base + 4, 4));
        Assert.Equal((0u, 0u, list, fis), (driver[0x14], driver[0x18] & 0x11, driver[0x00], driver[0x08]));
        driver.Start();
        Assert.Equal(0x50u, driver.Run(0x25, 0, 1, 512) & 0xff);

        _device!.Stop();
        _device.Reset();
        _device.Start();
        Assert.Equal((0u, 0u), (driver[0x00], driver[0x08]));
    }

    // ATA8-ACS §7.21 (PACKET); MMC-6 §6.6.
    [Fact]
    public void The_disc_is_read_by_packets_and_its_tray_opens()
    {
        AhciDriver driver = Begin(1);
        Assert.Equal(0x50u, driver.Run(0xa1, bytes: 512) & 0xff);
        Assert.Equal(0x85c0, BinaryPrimitives.ReadUInt16LittleEndian(driver.Read(2)));
        Assert.Equal(0x50u, driver.Packet(36, 0x12, 0, 0, 0, 36) & 0xff);
        Assert.Equal("Hutch   CD-ROM", Encoding.ASCII.GetString(driver.Read(36), 8, 14));
        Assert.Equal(0x50u, driver.Packet(8, 0x25) & 0xff);
        Assert.Equal((Sectors / 4) - 1, BinaryPrimitives.ReadInt32BigEndian(driver.Read(8)));
        Assert.Equal(0x50u, driver.Packet(4096, 0x28, 0, 0, 0, 0, 3, 0, 0, 2) & 0xff);
        Assert.Equal((12, 16), (driver.Read(4096)[0], driver.Read(4096)[2048]));
        Assert.Equal(0x50u, driver.Packet(20, 0x43, 0, 0, 0, 0, 0, 0, 0, 20) & 0xff);
        Assert.Equal((0, 18, 1, 0xaa), (driver.Read(20)[0], driver.Read(20)[1], driver.Read(20)[6], driver.Read(20)[14]));
        Assert.Equal(0x50u, driver.Packet(64, 0x46, 0, 0, 0, 0, 0, 0, 0, 64) & 0xff);
        Assert.Equal(8, driver.Read(8)[7]);
        Assert.Equal(0x50u, driver.Packet(64, 0x5a, 0, 0x2a, 0, 0, 0, 0, 0, 64) & 0xff);
        Assert.Equal(0x2a, driver.Read(9)[8]);
        Assert.Equal(0x5451u, driver.Packet(2048, 0x28, 0, 0, 1, 0, 0, 0, 0, 1) & 0xffff);
        Assert.Equal(0x50u, driver.Packet(18, 0x03, 0, 0, 0, 18) & 0xff);
        Assert.Equal((5, 0x21), (driver.Read(18)[2], driver.Read(18)[12]));
        Assert.Equal(0x50u, driver.Packet(0, 0x1e, 0, 0, 0, 1) & 0xff);
        Assert.Equal(0x5451u, driver.Packet(0, 0x1b, 0, 0, 0, 2) & 0xffff);
        Assert.Equal(0x50u, driver.Packet(0, 0x1e) & 0xff);
        Assert.Equal(0x50u, driver.Packet(0, 0x1b, 0, 0, 0, 2) & 0xff);
        Assert.Equal(0x2451u, driver.Packet(0, 0x00) & 0xffff);
        Assert.Equal(0x50u, driver.Packet(8, 0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8) & 0xff);
        Assert.Equal(3, driver.Read(8)[4]);
        Assert.Equal(0x50u, driver.Packet(0, 0x1b, 0, 0, 0, 3) & 0xff);
        Assert.Equal(0x50u, driver.Packet(0, 0x00) & 0xff);
    }

    [Fact]
    public void The_disc_is_changed_and_the_guest_told()
    {
        string other = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName());
        File.WriteAllBytes(other, [.. Enumerable.Repeat((byte)7, 2 * 2048)]);
        try
        {
            AhciDriver driver = Begin(1);
            IMediumDrive drive = Assert.Single(_machine.Services.MediumDrives);
            Assert.Equal("cd", drive.Name);

            // Another disc: a unit attention, once (SPC-4 §5.14), and an event, once (MMC-6 §6.6).
            Change(drive, new DiskConfig(other, "raw", ReadOnly: true));
            Assert.Equal(0x6451u, driver.Packet(0, 0x00) & 0xffff);
            Assert.Equal(0x50u, driver.Packet(18, 0x03, 0, 0, 0, 18) & 0xff);
            Assert.Equal((6, 0x28), (driver.Read(18)[2], driver.Read(18)[12]));
            Assert.Equal((2, 2), Event(driver));
            Assert.Equal((0, 2), Event(driver));
            Assert.Equal(0x50u, driver.Packet(8, 0x25) & 0xff);
            Assert.Equal(1, BinaryPrimitives.ReadInt32BigEndian(driver.Read(8)));
            Assert.Equal(0x50u, driver.Packet(2048, 0x28, 0, 0, 0, 0, 1, 0, 0, 1) & 0xff);
            Assert.Equal(7, driver.Read(2048)[2047]);

            // None: not ready, no medium, and the event of a removal.
            Change(drive, null);
            Assert.Equal(0x2451u, driver.Packet(0, 0x00) & 0xffff);
            Assert.Equal(0x50u, driver.Packet(18, 0x03, 0, 0, 0, 18) & 0xff);
            Assert.Equal((2, 0x3a), (driver.Read(18)[2], driver.Read(18)[12]));
            Assert.Equal((3, 0), Event(driver));
            Assert.Equal(0x2451u, driver.Packet(2048, 0x28, 0, 0, 0, 0, 0, 0, 0, 1) & 0xffff);

            // The guest keeps the next one, and is asked for it by the button.
            Change(drive, new DiskConfig(_disc, "raw", ReadOnly: true));
            _ = driver.Packet(0, 0x00);
            Assert.False(drive.IsLocked);
            Assert.Equal(0x50u, driver.Packet(0, 0x1e, 0, 0, 0, 1) & 0xff);
            Assert.True(drive.IsLocked);
            Assert.Equal((2, 2), Event(driver));
            drive.PressEject();
            Assert.Equal((1, 2), Event(driver));
            Assert.Equal((0, 2), Event(driver));

            // What cannot be opened changes nothing.
            Assert.Throws<ConfigException>(() => Change(drive, new DiskConfig("/nonexistent", "raw", ReadOnly: true)));
            Assert.Equal(0x50u, driver.Packet(0, 0x00) & 0xff);
        }
        finally
        {
            File.Delete(other);
        }
    }

    [Fact]
    public void A_drive_may_begin_without_a_disc()
    {
        AhciDriver driver = Begin(0, new AtaDriveConfig("cd", null, IsCdRom: true));
        Assert.Equal(0xeb14_0101u, driver[0x24]);
        Assert.Equal(0x2451u, driver.Packet(0, 0x00) & 0xffff);
        Assert.Equal((0, 0), Event(driver));
        Assert.Throws<ConfigException>(() => DeviceFactories.Create(new AhciConfig("other", [new AtaDriveConfig("hd", null)]), _machine.Services));
    }

    // GET EVENT STATUS NOTIFICATION of the medium: what happened, and how the drive is.
    private static (int Event, int Status) Event(AhciDriver driver)
    {
        Assert.Equal(0x50u, driver.Packet(8, 0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8) & 0xff);
        return (driver.Read(8)[4], driver.Read(8)[5]);
    }

    private void Change(IMediumDrive drive, DiskConfig? medium)
    {
        _device!.Stop();
        try
        {
            drive.Change(medium);
        }
        finally
        {
            _device.Start();
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void Random_accesses_and_commands_leave_a_controller_that_works(int seed)
    {
        AhciDriver driver = Begin();
        Random random = new(seed);
        byte[] noise = new byte[0x90];
        for (int i = 0; i < 100_000; i++)
        {
            ulong address = driver.Base + (ulong)(random.Next(4) == 0 ? random.Next(0x1000) : 0x100 + (random.Next(2) * 0x80) + random.Next(0x40));
            switch (random.Next(6))
            {
                case 0: _ = _machine.Load(address, 1 << random.Next(4)); break;
                case 1: _machine.Store(address & ~3UL, (ulong)random.NextInt64(), 4); break;
                case 2: _machine.Store(driver.Base + 0x100 + (ulong)(random.Next(2) * 0x80) + 0x18, random.Next(4) == 0 ? 0x10u : 0x11u, 4); break;
                case 3: _machine.Store(driver.Base + 0x100 + (ulong)(random.Next(2) * 0x80) + (random.Next(2) == 0 ? 0x38u : 0x34u), 1UL << random.Next(32), 4); break;
                case 4:
                    random.NextBytes(noise);
                    if (random.Next(2) == 0) (noise[0], noise[1], noise[0x83], noise[0x84], noise[0x8e]) = (0x27, 0x80, 0, 0, 0);
                    _machine.Memory.TryCopyIn(0x18_0000 + ((ulong)random.Next(32) * 0x100), noise);
                    break;
                default: driver.Put(random.Next(32), (byte)random.Next(256), (ulong)random.Next(4096), random.Next(300), (uint)random.Next(1, 70_000), features: (ushort)random.Next(64)); break;
            }
        }
        byte[] state = Exchange();
        _device!.Reset();
        _device.Exchange(new StateReader("sata", state));
        Assert.Equal(state, Exchange());
        _device.Stop();
        _device.Reset();
        _machine.Pci.AssignResources(0, 0);
        _device.Start();
        AhciDriver again = new(_machine, 1, 0);
        Assert.Equal(0x50u, again.Run(0xec, bytes: 512) & 0xff);
        Assert.Equal(0x50u, new AhciDriver(_machine, 1, 1).Packet(8, 0x25) & 0xff);
    }

    private byte[] Exchange()
    {
        _device!.Stop();
        StateWriter writer = new("sata");
        _device.Exchange(writer);
        return writer.Body.ToArray();
    }
}
