using System;
using System.Buffers.Binary;
using Hutch.Core.State;
using Hutch.Devices.Pci;
using Hutch.Model.Machine;
using Xunit;

namespace Hutch.Tests.Devices.Firmware;

/// <summary>The chipset of a pc as its firmware programs it: i440FX (Intel 82441FX data sheet §3.2), PIIX3 (82371SB §2.2) and the power management of a PIIX4 (82371AB §7.1).</summary>
public sealed class I440FxTests
{
    private const int HostBridge = 0, Piix = 1, Pam0 = 0x59, Power = 3;

    [Fact]
    public void The_functions_are_where_a_pc_has_them_and_there_is_no_other_configuration_space()
    {
        using PcMachine machine = new(MachineKind.Pc);
        machine.PowerOn();
        Assert.Equal(0x1237_8086u, machine.ReadConfig(HostBridge, 0, 0, 4));
        Assert.Equal(0x7000_8086u, machine.ReadConfig(Piix, 0, 0, 4));
        Assert.Equal(0x80u, machine.ReadConfig(Piix, 0, 0x0e));
        Assert.Equal(uint.MaxValue, machine.ReadConfig(Piix, 1, 0, 4));
        Assert.Equal(0x7113_8086u, machine.ReadConfig(Piix, Power, 0, 4));
        Assert.Equal(uint.MaxValue, machine.ReadConfig(31, 0, 0, 4));
        Assert.Null(machine.Services.Mmio.Find(PciWindows.EcamStart));
        Assert.Equal(-1, machine.ReadFile("etc/acpi/tables")!.AsSpan().IndexOf("MCFG"u8));
    }

    [Fact]
    public void Attribute_maps_and_smram_are_the_i440fxs()
    {
        using PcMachine machine = new(MachineKind.Pc);
        machine.PowerOn();
        machine.WriteConfig(HostBridge, 0, Pam0, 0x30);                       // §3.2.13: F0000
        Assert.True(machine.Memory.IsWritable(0xf_0000) && !machine.Memory.IsWritable(0xe_ffff));
        machine.WriteConfig(HostBridge, 0, Pam0 + 1, 0x30);                   // C4000
        Assert.True(machine.Memory.IsWritable(0xc_4000) && !machine.Memory.IsWritable(0xc_3fff) && !machine.Memory.IsWritable(0xc_8000));
        machine.WriteConfig(HostBridge, 0, Pam0 + 3, 0x33_33_33, 4);          // PAM3 to PAM6 but the last
        Assert.True(machine.Memory.IsWritable(0xd_0000) && machine.Memory.IsWritable(0xe_7fff) && !machine.Memory.IsWritable(0xe_8000));
        machine.WriteConfig(HostBridge, 0, 0x90, 0x33);                       // a Q35's
        Assert.Equal(0u, machine.ReadConfig(HostBridge, 0, 0x90));
        Assert.Equal(0x02u, machine.ReadConfig(HostBridge, 0, 0x72));         // §3.2.21
        machine.WriteConfig(HostBridge, 0, 0x72, 0xff);
        Assert.Equal(0x6au, machine.ReadConfig(HostBridge, 0, 0x72));
    }

    [Fact]
    public void Power_management_places_the_acpi_registers_and_the_tables_follow()
    {
        using PcMachine machine = new(MachineKind.Pc);
        machine.PowerOn();
        Assert.Equal(uint.MaxValue, machine.In(0x608, 4));
        Assert.Equal(1u << 25, machine.ReadConfig(Piix, Power, 0x58, 4));     // APMC_EN: nothing to be set up
        machine.WriteConfig(Piix, Power, 0x40, 0xb001, 4);
        Assert.Equal(uint.MaxValue, machine.In(0xb008, 4));
        machine.WriteConfig(Piix, Power, 0x80, 1);
        Assert.Equal(1u, machine.In(0xb004, 2));                              // SCI_EN
        Assert.NotNull(machine.ReadFile("etc/table-loader"));
        byte[] tables = machine.ReadFile("etc/acpi/tables")!;
        int fadt = tables.AsSpan().IndexOf("FACP"u8);
        Assert.Equal((0xb000u, 0xb004u, 0xb008u), (Word(tables, fadt + 56), Word(tables, fadt + 64), Word(tables, fadt + 76)));
        machine.Chipset.Reset();
        Assert.Equal(uint.MaxValue, machine.In(0xb008, 4));
    }

    [Fact]
    public void The_isa_bridge_leads_pci_interrupts_to_the_pic()
    {
        using PcMachine machine = new(MachineKind.Pc);
        machine.PowerOn();
        Assert.Equal(0x8080_8080u, machine.ReadConfig(Piix, 0, 0x60, 4));
        foreach ((ushort port, uint value) in new (ushort, uint)[] { (0x20, 0x11), (0x21, 0x20), (0x21, 4), (0x21, 1), (0xa0, 0x11), (0xa1, 0x28), (0xa1, 2), (0xa1, 1), (0x4d1, 0x0c) }) machine.Out(port, value, 1);
        machine.WriteConfig(Piix, 0, 0x60, 0x0b0a, 2);                        // PIRQA to IRQ 10, PIRQB to IRQ 11
        machine.Services.Gsi.SetLine(17, true);
        machine.Out(0xa0, 0x0a, 1);
        Assert.Equal(0x08u, machine.In(0xa0, 1));
        byte[] state = Exchange(machine);
        machine.WriteConfig(Piix, 0, 0x61, 0x80);
        machine.Out(0xa0, 0x0a, 1);
        Assert.Equal(0x00u, machine.In(0xa0, 1));
        machine.Chipset.Exchange(new StateReader("platform", state));
        Assert.Equal(state, Exchange(machine));
        machine.Out(0xa0, 0x0a, 1);
        Assert.Equal(0x08u, machine.In(0xa0, 1));
    }

    [Theory]
    [InlineData(MachineKind.Pc, Piix, 0x61, true)]
    [InlineData(MachineKind.Q35, 31, 0x61, false)]                            // an ICH9 leads it to the PIC alone
    public void A_pci_interrupt_that_is_led_to_an_isa_interrupt_reaches_the_ioapic_there_behind_a_piix(MachineKind kind, int slot, int register, bool reaches)
    {
        using PcMachine machine = new(kind);
        machine.PowerOn();
        machine.WriteConfig(slot, 0, register, 11);
        Redirect(machine, 11, 0x8000 | 0x41);                                 // 82093AA §3.2.4: level-triggered, vector 41h
        Redirect(machine, 17, 0x8000 | 0x42);
        machine.Services.Gsi.SetLine(17, true);
        Assert.Equal(reaches ? 2 : 1, machine.Router.Messages.Length);
    }

    [Fact]
    public void Slot_and_pin_have_one_of_four_lines()
    {
        Assert.Equal((16, 17, 19, 16), (PciBus.GsiOf(1, 0, MachineKind.Pc), PciBus.GsiOf(1, 1, MachineKind.Pc), PciBus.GsiOf(4, 0, MachineKind.Pc), PciBus.GsiOf(5, 0, MachineKind.Pc)));
        for (int slot = 0; slot < 32; slot++)
            for (int pin = 0; pin < 4; pin++) Assert.InRange(PciBus.GsiOf(slot, pin, MachineKind.Pc), 16, 19);
    }

    private static void Redirect(PcMachine machine, int pin, uint low)
    {
        byte[] word = new byte[4];
        BinaryPrimitives.WriteInt32LittleEndian(word, 0x10 + (2 * pin));
        machine.Services.Mmio.Write(0xfec0_0000, word);
        BinaryPrimitives.WriteUInt32LittleEndian(word, low);
        machine.Services.Mmio.Write(0xfec0_0010, word);
    }

    private static byte[] Exchange(PcMachine machine)
    {
        StateWriter writer = new("platform");
        machine.Chipset.Exchange(writer);
        return writer.Body.ToArray();
    }

    private static uint Word(byte[] tables, int at) => BinaryPrimitives.ReadUInt32LittleEndian(tables.AsSpan(at));
}
