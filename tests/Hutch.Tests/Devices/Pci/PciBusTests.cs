using System;
using System.Linq;
using Hutch.Core.Bus;
using Hutch.Devices;
using Hutch.Devices.Pci;
using Hutch.Tests.Devices.Virtio;
using Xunit;

namespace Hutch.Tests.Devices.Pci;

/// <summary>Configuration space, its two mechanisms, and base addresses (PCI Local Bus 3.0; PCI Express Base 5.0 §7.2.2).</summary>
public sealed class PciBusTests : IDisposable
{
    private readonly TestMachine _machine = new();

    // PCI Local Bus 3.0 §3.2.2.3.2 (ports) and PCI Express Base 5.0 §7.2.2 (memory).
    [Fact]
    public void The_host_bridge_is_at_slot_0_on_both_mechanisms()
    {
        _machine.Out(0xcf8, 0x8000_0000, 4);

        Assert.Equal(0x29c0_8086u, _machine.In(0xcfc, 4));
        Assert.Equal(0x29c0u, _machine.In(0xcfe, 2));
        Assert.Equal(0x80u, _machine.In(0xcfd, 1));
        Assert.Equal(0x29c0_8086u, _machine.ReadConfig(0, 0));
        _machine.Out(0xcf8, 0x8000_0008, 4);
        Assert.Equal(0x0600_0000u, _machine.In(0xcfc, 4));
    }

    // PCI Local Bus 3.0 §3.2.2.3.2.
    [Fact]
    public void The_configuration_address_is_taken_only_as_a_double_word()
    {
        _machine.Out(0xcf8, 0x8000_0000, 4);
        _machine.Out(0xcfb, 1, 1);
        _machine.Out(0xcf8, 0x1234, 2);

        Assert.Equal(0x8000_0000u, _machine.In(0xcf8, 4));
        _machine.Out(0xcf8, 0, 4);
        Assert.Equal(0xffff_ffffu, _machine.In(0xcfc, 4));
    }

    // PCI Local Bus 3.0 §3.2.2.3.2: bits 30 to 24 are reserved, bits 1 and 0 read as zero.
    [Fact]
    public void Reserved_bits_of_the_configuration_address_read_as_zero()
    {
        _machine.Out(0xcf8, 0xffff_ffff, 4);

        Assert.Equal(0x80ff_fffcu, _machine.In(0xcf8, 4));
    }

    // PCI Local Bus 3.0 §6.1.
    [Fact]
    public void What_is_absent_reads_as_ones()
    {
        Assert.Equal(0xffff_ffffu, _machine.ReadConfig(1, 0));
        Assert.Equal(0xffu, _machine.ReadConfig(31, 0xfff, 1));
        Assert.Equal(0xffff_ffffUL, _machine.Load(PciWindows.EcamStart + (1UL << 12), 4));
        Assert.Equal(0xffff_ffffUL, _machine.Load(PciWindows.EcamStart + (1UL << 20), 4));
        Assert.Equal(0xffff_ffffUL, _machine.Load(PciWindows.EcamStart + PciWindows.EcamBytes - 4, 4));
    }

    // Intel ICH9 data sheet §13.7.5.
    [Fact]
    public void Port_cf9_belongs_to_the_reset_control()
    {
        Register reset = new();
        _machine.Pci.ResetControl = reset;
        _machine.Out(0xcf9, 6, 1);
        Assert.Equal(6, reset.Value);
        Assert.Equal(6u, _machine.In(0xcf9, 1));
    }

    // PCI Local Bus 3.0 §6.2.5.1.
    [Fact]
    public void Bars_say_their_size_to_all_ones()
    {
        _ = new TestFunction(_machine);

        _machine.WriteConfig(1, 0x10, uint.MaxValue);
        _machine.WriteConfig(1, 0x14, uint.MaxValue);
        _machine.WriteConfig(1, 0x18, uint.MaxValue);
        _machine.WriteConfig(1, 0x1c, uint.MaxValue);

        Assert.Equal(0xffff_f000u, _machine.ReadConfig(1, 0x10));
        Assert.Equal(0xffff_c004u, _machine.ReadConfig(1, 0x14));
        Assert.Equal(0xffff_ffffu, _machine.ReadConfig(1, 0x18));
        Assert.Equal(0xffff_ffe1u, _machine.ReadConfig(1, 0x1c));
        Assert.Equal(0u, _machine.ReadConfig(1, 0x20));
    }

    // PCI Local Bus 3.0 §6.2.2 (command), §6.2.5.1.
    [Fact]
    public void Assignment_places_every_bar_and_enables_decoding()
    {
        TestFunction first = new(_machine), second = new(_machine);
        _machine.Pci.AssignResources(0x2_0000_0000, 1 << 30);

        Assert.Equal(7u, _machine.ReadConfig(1, 4, 2));
        foreach (TestFunction function in (TestFunction[])[first, second])
            foreach (PciBar bar in function.Bars)
            {
                Assert.True(bar.Region!.IsMapped);
                Assert.Equal(0UL, bar.Region.Start % bar.LengthBytes);
            }
        _machine.Store(first.Bars[0].Region!.Start + 8, 77, 4);
        Assert.Equal(77, first.Registers.Value);
        Assert.Equal(0, second.Registers.Value);
    }

    // PCI Local Bus 3.0 §6.2.5.1: 64-bit addresses.
    [Fact]
    public void A_large_bar_goes_above_4_gib()
    {
        LargeFunction function = new(_machine, 1UL << 34);
        _machine.Pci.AssignResources(0x4_0000_0000, 1UL << 36);

        Assert.Equal(0x4_0000_0000UL, function.Bars[0].Region!.Start);
    }

    [Fact]
    public void A_bar_that_fits_nowhere_is_the_operators_mistake()
    {
        _ = new LargeFunction(_machine, 1UL << 34);
        ConfigException e = Assert.Throws<ConfigException>(() => _machine.Pci.AssignResources(0, 0));
        Assert.Contains("large", e.Message, StringComparison.Ordinal);
    }

    // PCI Local Bus 3.0 §6.2.2, §6.2.5.1.
    [Fact]
    public void A_range_follows_its_bar_and_the_decode_enable()
    {
        TestFunction function = new(_machine);
        _machine.Pci.AssignResources(0, 0);
        BusRegion region = function.Bars[0].Region!;
        ulong old = region.Start;

        _machine.WriteConfig(1, 0x10, 0xd000_0000);
        Assert.Equal(0xd000_0000UL, region.Start);
        Assert.Equal(0xffff_ffffUL, _machine.Load(old, 4));
        _machine.WriteConfig(1, 4, 0, 2);
        Assert.False(region.IsMapped);
        _machine.WriteConfig(1, 4, 2, 2);
        Assert.True(region.IsMapped);
    }

    [Theory]
    [InlineData(0u)]
    [InlineData(0x0010_0000u)]           // RAM
    [InlineData(0xb000_0000u)]           // ECAM
    [InlineData(0xfec0_0000u)]           // IOAPIC
    [InlineData(0xffff_f000u)]
    public void A_range_outside_the_windows_is_not_there(uint address)
    {
        TestFunction function = new(_machine);
        _machine.Pci.AssignResources(0, 0);
        _machine.WriteConfig(1, 0x10, address);
        Assert.False(function.Bars[0].Region!.IsMapped);
        Assert.Equal(0x29c0_8086u, _machine.ReadConfig(0, 0));
    }

    [Fact]
    public void A_range_over_another_waits_until_that_has_moved()
    {
        TestFunction first = new(_machine), second = new(_machine);
        _machine.Pci.AssignResources(0, 0);
        ulong place = first.Bars[0].Region!.Start;

        _machine.WriteConfig(2, 0x10, (uint)place);
        Assert.True(first.Bars[0].Region!.IsMapped);
        Assert.False(second.Bars[0].Region!.IsMapped);
        _machine.WriteConfig(1, 0x10, 0xd000_0000);
        Assert.Equal(place, second.Bars[0].Region!.Start);
        Assert.True(second.Bars[0].Region!.IsMapped);
    }

    [Fact]
    public void A_reset_returns_to_the_assignment()
    {
        TestFunction function = new(_machine);
        _machine.Pci.AssignResources(0, 0);
        ulong place = function.Bars[0].Region!.Start;
        _machine.WriteConfig(1, 0x10, 0xd000_0000);
        _machine.WriteConfig(1, 4, 0, 2);
        _machine.WriteConfig(1, 0x3c, 11, 1);

        _machine.Pci.Reset();

        Assert.Equal(place, function.Bars[0].Region!.Start);
        Assert.True(function.Bars[0].Region!.IsMapped);
        Assert.Equal(0u, _machine.ReadConfig(1, 0x3c, 1));
    }

    // PCI Local Bus 3.0 §6.2.1.
    [Fact]
    public void Read_only_registers_stay()
    {
        _ = new TestFunction(_machine);
        uint[] before = [.. Enumerable.Range(0, 1024).Select(i => _machine.ReadConfig(1, 4 * i))];
        foreach (int register in (int[])[0x00, 0x08, 0x2c, 0x30, 0x34, 0x40, 0x100, 0xffc]) _machine.WriteConfig(1, register, uint.MaxValue);
        foreach (int register in (int[])[0x00, 0x08, 0x2c, 0x30, 0x34, 0x40, 0x100, 0xffc])
            Assert.Equal(before[register / 4], _machine.ReadConfig(1, register));
    }

    // PCI Local Bus 3.0 §2.2.6: interrupt pins may share a line.
    [Fact]
    public void Pins_share_lines_by_slot_and_the_level_is_the_or()
    {
        TestFunction[] functions = [.. Enumerable.Range(0, 9).Select(_ => new TestFunction(_machine))];

        functions[0].Interrupt(true);
        Assert.True(_machine.Gsi[17]);
        functions[8].Interrupt(true);           // slot 9 shares with slot 1
        functions[0].Interrupt(false);
        Assert.True(_machine.Gsi[17]);
        Assert.NotEqual(0u, _machine.ReadConfig(9, 6, 2) & 8);
        _machine.WriteConfig(9, 4, 0x400, 2);   // interrupt disable
        Assert.False(_machine.Gsi[17]);
        _machine.WriteConfig(9, 4, 0, 2);
        Assert.True(_machine.Gsi[17]);
    }

    [Fact]
    public void The_bus_says_when_it_is_full()
    {
        for (int i = 1; i < 32; i++) _ = new TestFunction(_machine);
        Assert.Throws<ConfigException>(() => new TestFunction(_machine));
    }

    public void Dispose() => _machine.Dispose();

    private sealed class TestFunction : PciFunction
    {
        internal TestFunction(TestMachine machine) : base("test", new PciIdentity(0x1234, 0x5678, 0xff0000))
        {
            AddBar(0, PciBarKind.Memory32, 0x1000, Registers);
            AddBar(1, PciBarKind.Memory64, 0x4000, Registers);
            AddBar(3, PciBarKind.Io, 0x20, Registers);
            UseInterruptPin();
            AddExpressCapability();
            machine.Pci.Add(this);
        }

        internal Register Registers { get; } = new();

        internal void Interrupt(bool asserted) => SetInterrupt(asserted);
    }

    private sealed class LargeFunction : PciFunction
    {
        internal LargeFunction(TestMachine machine, ulong length) : base("large", new PciIdentity(0x1234, 0x5679, 0xff0000))
        {
            AddBar(0, PciBarKind.Memory64, length, new Register());
            machine.Pci.Add(this);
        }
    }

    private sealed class Register : IBusDevice
    {
        internal int Value { get; private set; }

        public BusStatus Read(ulong offset, Span<byte> data)
        {
            data.Fill((byte)Value);
            return BusStatus.Handled;
        }

        public BusStatus Write(ulong offset, ReadOnlySpan<byte> data)
        {
            Value = data[0];
            return BusStatus.Handled;
        }
    }
}
