using System;
using System.Buffers.Binary;
using System.IO;
using System.Text;
using Hutch.Core.Memory;
using Hutch.Core.State;
using Hutch.Devices;
using Hutch.Model.Machine;
using Xunit;

namespace Hutch.Tests.Devices.Firmware;

/// <summary>Firmware's devices: its image and shadow RAM (Intel 3 Series datasheet §5.1.14), the flash chip (JESD68.01; Intel 28FxxxJ3 data sheet), the configuration device (QEMU docs/specs/fw_cfg).</summary>
public sealed class FirmwareDeviceTests
{
    private const int HostBridge = 0, Lpc = 31, Pam0 = 0x90;

    private readonly byte[] _data = new byte[8];

    private static uint Word(PcMachine machine, ulong address) => machine.Memory.TryRead(address, out uint word) ? word : throw new InvalidOperationException();

    // What the image has at an address below 1 MiB.
    private static uint Shown(ulong address) => (uint)(address - 0x10_0000 + PcMachine.ImageBytes) | 1;

    [Fact]
    public void The_image_ends_at_4_GiB_and_its_last_128_KiB_below_1_MiB()
    {
        using PcMachine machine = new();
        machine.PowerOn();
        byte[] end = new byte[4];
        machine.Memory.Layout.Roms[^1].Read(PcMachine.ImageBytes - 4, end);
        Assert.Equal((uint)(PcMachine.ImageBytes - 4) | 1, BinaryPrimitives.ReadUInt32LittleEndian(end));
        Assert.Equal(Shown(0xf_fff0), Word(machine, 0xf_fff0));
        Assert.Equal(Shown(0xe_0000), Word(machine, 0xe_0000));
        Assert.Equal(uint.MaxValue, Word(machine, 0xd_fffc));
        Assert.False(machine.Memory.IsWritable(0xc_0000));
        Assert.False(machine.Memory.IsWritable(0xf_ffff));
        Assert.True(machine.Memory.IsWritable(0xb_ffff));
        Assert.True(machine.Memory.IsWritable(0x10_0000));
        Assert.False(machine.Memory.IsWritable(PcMachine.ImageStart));
    }

    // Intel 3 Series datasheet §5.1.14: PAM0.
    [Fact]
    public void Attribute_maps_show_ram_segment_by_segment_and_keep_what_they_hide()
    {
        using PcMachine machine = new();
        machine.PowerOn();
        machine.WriteConfig(HostBridge, 0, Pam0, 0x30);                       // F0000: reads and writes go to RAM
        Assert.True(machine.Memory.IsWritable(0xf_0000) && !machine.Memory.IsWritable(0xe_ffff));
        Assert.Equal(0u, Word(machine, 0xf_0000));
        machine.Memory.TryWrite(0xf_0000UL, 0x1234_5678u);
        machine.WriteConfig(HostBridge, 0, Pam0, 0x10);                       // RAM, read-only
        Assert.False(machine.Memory.IsWritable(0xf_0000));
        Assert.Equal(0x1234_5678u, Word(machine, 0xf_0000));
        machine.WriteConfig(HostBridge, 0, Pam0, 0x00);                       // the image again
        Assert.Equal(Shown(0xf_0000), Word(machine, 0xf_0000));
        machine.WriteConfig(HostBridge, 0, Pam0, 0x20);                       // reads the image, writes RAM
        machine.Services.Mmio.Write(0xf_0000, "abcd"u8);
        Assert.Equal(Shown(0xf_0000), Word(machine, 0xf_0000));
        machine.WriteConfig(HostBridge, 0, Pam0, 0x10);
        Assert.Equal(0x6463_6261u, Word(machine, 0xf_0000));
        machine.WriteConfig(HostBridge, 0, Pam0 + 1, 0x30);                   // C4000, the upper half of PAM1
        Assert.True(machine.Memory.IsWritable(0xc_4000) && !machine.Memory.IsWritable(0xc_3fff) && !machine.Memory.IsWritable(0xc_8000));
    }

    // Intel ICH9 data sheet §13.1: PMBASE, ACPI_CNTL and the PIRQ routing (§13.1.14).
    [Fact]
    public void The_lpc_bridge_places_the_acpi_registers_and_leads_pci_interrupts_to_the_pic()
    {
        using PcMachine machine = new();
        machine.PowerOn();
        Assert.Equal(0x2918_8086u, machine.ReadConfig(Lpc, 0, 0, 4));
        Assert.Equal(0xffff_ffffu, machine.In(0x608, 4));
        machine.WriteConfig(Lpc, 0, 0x40, 0x0601, 4);
        machine.WriteConfig(Lpc, 0, 0x44, 0x80);
        Assert.Equal(0x20u, machine.In(0x630, 1));                            // SMI_EN: nothing to be set up
        machine.WriteConfig(Lpc, 0, 0x40, 0x0b01, 4);
        Assert.Equal(0xffu, machine.In(0x630, 1));
        Assert.Equal(0x20u, machine.In(0xb30, 1));
        foreach ((ushort port, uint value) in new (ushort, uint)[] { (0x20, 0x11), (0x21, 0x20), (0x21, 4), (0x21, 1), (0xa0, 0x11), (0xa1, 0x28), (0xa1, 2), (0xa1, 1), (0x4d1, 0x0c) }) machine.Out(port, value, 1);
        machine.WriteConfig(Lpc, 0, 0x60, 10);                                // PIRQA to IRQ 10
        machine.Services.Gsi.SetLine(16, true);
        machine.Out(0xa0, 0x0a, 1);
        Assert.Equal(0x04u, machine.In(0xa0, 1));
        machine.WriteConfig(Lpc, 0, 0x60, 0x80);
        machine.Out(0xa0, 0x0a, 1);
        Assert.Equal(0x00u, machine.In(0xa0, 1));
    }

    // Intel 3 Series datasheet §5.1: PCIEXBAR.
    [Fact]
    public void Pciexbar_moves_the_configuration_space_and_the_tables_follow()
    {
        using PcMachine machine = new();
        machine.PowerOn();
        machine.WriteConfig(HostBridge, 0, 0x60, 0xe000_0001, 4);
        machine.Services.Mmio.Read(0xe000_0000, _data.AsSpan(0, 4));
        Assert.Equal(0x29c0_8086u, BinaryPrimitives.ReadUInt32LittleEndian(_data));
        int length = machine.ReadFile("etc/acpi/tables")!.Length;
        Assert.NotNull(machine.ReadFile("etc/table-loader"));
        byte[] tables = machine.ReadFile("etc/acpi/tables")!;
        Assert.Equal(length, tables.Length);
        int mcfg = tables.AsSpan().IndexOf("MCFG"u8);
        Assert.Equal(0xe000_0000UL, BinaryPrimitives.ReadUInt64LittleEndian(tables.AsSpan(mcfg + 44)));
    }

    // QEMU docs/specs/fw_cfg: selector and data register, signature, file directory.
    [Fact]
    public void The_configuration_device_tells_of_the_machine()
    {
        using PcMachine machine = new(new FwCfgEntry("opt/org.example/x", null, "hello"));
        machine.PowerOn();
        machine.Out(0x510, 0, 2);
        Assert.Equal("QEMU"u8.ToArray(), machine.Take(4));
        machine.Out(0x510, 5, 2);
        Assert.Equal([3, 0, 0], machine.Take(3));
        Assert.Equal("hello"u8.ToArray(), machine.ReadFile("opt/org.example/x"));
        byte[] map = machine.ReadFile("etc/e820")!;
        Assert.Equal(32UL << 20, BinaryPrimitives.ReadUInt64LittleEndian(map.AsSpan(8)));
        Assert.Equal(0x3f8UL, BinaryPrimitives.ReadUInt64LittleEndian(machine.ReadFile("etc/sercon-port")));
        Assert.Equal("_SM3_", Encoding.ASCII.GetString(machine.ReadFile("etc/smbios/smbios-anchor")!, 0, 5));
        Assert.Null(machine.ReadFile("bootorder"));
    }

    // QEMU docs/specs/fw_cfg, "Guest-side DMA Interface".
    [Fact]
    public void Dma_reads_skips_and_refuses_what_is_no_ram()
    {
        using PcMachine machine = new();
        machine.PowerOn();
        Assert.Equal(0x5145_4d55_2043_4647UL, (ulong)BinaryPrimitives.ReverseEndianness(machine.In(0x514, 4)) << 32 | BinaryPrimitives.ReverseEndianness(machine.In(0x518, 4)));
        Assert.Equal(0u, Dma(machine, 0x0000_000a, 6, 0x2_0000));            // select the signature, read; zeros behind its end
        Assert.True(machine.Memory.TryRead(0x2_0000UL, out ulong text) && text == 0x554d_4551);
        Assert.Equal(0u, Dma(machine, 0x0000_0008, 0, 0));
        Assert.Equal(0u, Dma(machine, 4, 2, 0));
        Assert.Equal((byte)'M', (byte)machine.In(0x511, 1));
        Assert.Equal(1u, Dma(machine, 2, 16, 32UL << 20));
        Assert.Equal(1u, Dma(machine, 2, uint.MaxValue, 0x2_0000));
        Assert.Equal(1u, Dma(machine, 16, 4, 0x2_0000));                     // items cannot be written
    }

    private static uint Dma(PcMachine machine, uint control, uint length, ulong address)
    {
        byte[] command = new byte[16];
        BinaryPrimitives.WriteUInt32BigEndian(command, control);
        BinaryPrimitives.WriteUInt32BigEndian(command.AsSpan(4), length);
        BinaryPrimitives.WriteUInt64BigEndian(command.AsSpan(8), address);
        machine.Memory.TryCopyIn(0x1_0000, command);
        machine.Out(0x514, 0, 4);
        machine.Out(0x518, BinaryPrimitives.ReverseEndianness(0x1_0000u), 4);
        machine.Memory.TryCopyOut(0x1_0000, command);
        return BinaryPrimitives.ReadUInt32BigEndian(command);
    }

    // Intel 28FxxxJ3 data sheet, table 4 (commands) and figure 8 (write to buffer); JESD68.01 §2 (query).
    [Fact]
    public void The_flash_chip_programs_erases_and_keeps_it()
    {
        using PcMachine machine = new();
        machine.PowerOn();
        RomRegion chip = machine.Memory.Layout.Roms[0];
        Assert.Equal(PcMachine.FlashStart, chip.Start);
        void Command(ulong offset, params byte[] values)
        {
            foreach (byte value in values) machine.Services.Mmio.Write(PcMachine.FlashStart + offset, [value]);
        }
        byte Status()
        {
            machine.Services.Mmio.Read(PcMachine.FlashStart, _data.AsSpan(0, 1));
            return _data[0];
        }
        // OVMF looks for a chip: the array after the status was cleared, then a status of zero.
        Command(0, 0x50);
        Assert.True(chip.IsVisible);
        Command(0, 0x70);
        Assert.Equal(0, Status());
        Command(0, 0xff);
        Command(5, 0x10);
        Assert.False(chip.IsVisible);
        Command(5, 0x3c);
        Assert.Equal(0x80, Status());
        Command(5, 0x40, 0x0f, 0xff);                                        // programming clears bits and sets none
        Assert.True(chip.IsVisible);
        Assert.Equal(0x0c, File.ReadAllBytes(machine.FlashPath)[5]);
        Command(0x100, 0xe8, 1);
        Command(0x100, 0x11);
        Command(0x101, 0x22);
        Command(0x100, 0xd0);
        Assert.Equal(0x80, Status());
        Command(0, 0xff);
        Assert.Equal([0x11, 0x22, 0xff], File.ReadAllBytes(machine.FlashPath)[0x100..0x103]);
        Command(7, 0x20, 0xd0, 0xff);
        Assert.Equal(0xff, File.ReadAllBytes(machine.FlashPath)[5]);
        Command(0, 0x20, 0x00);                                              // no confirmation
        Assert.Equal(0xb0, Status());
        Command(0, 0x50, 0x98);
        machine.Services.Mmio.Read(PcMachine.FlashStart + 0x10, _data.AsSpan(0, 3));
        Assert.Equal("QRY"u8.ToArray(), _data[..3]);
        Command(0, 0x90);
        Assert.Equal(0x89, Status());
    }

    [Fact]
    public void Random_accesses_leave_firmware_that_works_and_a_state_that_is_a_fixed_point()
    {
        using PcMachine machine = new();
        machine.PowerOn();
        Random random = new(11);
        for (int i = 0; i < 100_000; i++)
        {
            random.NextBytes(_data);
            int width = 1 << random.Next(3);
            switch (random.Next(6))
            {
                case 0: machine.Services.Ports.Write((ushort)(0x510 + random.Next(12)), _data.AsSpan(0, width)); break;
                case 1: machine.Services.Ports.Read((ushort)(0x510 + random.Next(12)), _data.AsSpan(0, width)); break;
                case 2: machine.WriteConfig(random.Next(2) * Lpc, random.Next(2), random.Next(64) * 4, (uint)random.NextInt64(), 4); break;
                case 3: machine.Services.Mmio.Write(PcMachine.FlashStart + (ulong)random.Next(PcMachine.FlashBytes), [Pick(random)]); break;
                case 4: machine.Services.Mmio.Read(PcMachine.FlashStart + (ulong)random.Next(PcMachine.FlashBytes - 8), _data.AsSpan(0, width)); break;
                default: machine.Services.Mmio.Write(0xc_0000 + (ulong)random.Next(0x4_0000 - 8), _data.AsSpan(0, width)); break;
            }
        }
        byte[] state = Save(machine.Firmware);
        machine.Firmware.Reset();
        machine.Firmware.Exchange(new StateReader("firmware", state));
        Assert.Equal(state, Save(machine.Firmware));
        machine.Services.Pci!.Reset();
        machine.Firmware.Reset();
        machine.Services.Firmware!.Load();
        Assert.Equal(Shown(0xf_fff0), Word(machine, 0xf_fff0));
        machine.Out(0x510, 0, 2);
        Assert.Equal("QEMU"u8.ToArray(), machine.Take(4));
    }

    [Theory]
    [InlineData("etc/x", "begins with opt/")]
    [InlineData("opt/0123456789012345678901234567890123456789012345678901234567890", "up to 55")]
    public void Entries_with_other_names_are_refused(string name, string cause) =>
        Assert.Contains(cause, Assert.Throws<ConfigException>(() => new PcMachine(new FwCfgEntry(name, null, ""))).Message, StringComparison.Ordinal);

    private static byte Pick(Random random) => random.Next(4) == 0 ? (byte)random.Next(256) : new byte[] { 0x10, 0x20, 0xd0, 0x40, 0x50, 0x60, 0x70, 0x90, 0x98, 0xe8, 0xff, 3 }[random.Next(12)];

    private static byte[] Save(IDevice device)
    {
        StateWriter writer = new("firmware");
        device.Exchange(writer);
        return writer.Body.ToArray();
    }
}
