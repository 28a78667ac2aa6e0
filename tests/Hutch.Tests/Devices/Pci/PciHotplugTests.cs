using System;
using System.Buffers.Binary;
using Hutch.Devices;
using Hutch.Devices.Chipset;
using Hutch.Devices.Pci;
using Hutch.Model.Machine;
using Hutch.Tests.Devices.Chipset;
using Xunit;

namespace Hutch.Tests.Devices.Pci;

/// <summary>The registers behind the DSDT's methods (QEMU docs/specs/acpi_pci_hotplug), played as a guest's interpreter would.</summary>
public sealed class PciHotplugTests : IDisposable
{
    private const ushort Gpe = PmBlock.BasePort + PmBlock.GpeOffset;

    private readonly FakeMachine _machine = new();

    public PciHotplugTests()
    {
        Devices = [Make("rng0"), Make("rng1")];
        _machine.Services.Pci!.AssignResources(0, 0);
    }

    private IDevice[] Devices { get; }

    private IHotplug Hotplug => _machine.Services.Hotplug!;

    // QEMU docs/specs/acpi_pci_hotplug, "PCI slot injection notification pending", and GPE.1.
    [Fact]
    public void A_new_device_is_announced_once_and_has_no_resources()
    {
        using IDevice added = Make("rng2");
        added.Reset();
        Assert.Equal(3, Hotplug.SlotOf("rng2"));
        Assert.NotEqual(0u, Config(1, 0x20) & ~15u);
        Assert.Equal((0u, 0u), (Config(3, 0x20) & ~15u, Config(3, 4) & 7));

        Hotplug.Announce("rng2");

        Assert.Equal(1 << PciHotplug.GpeNumber, _machine.In(Gpe) & (1 << PciHotplug.GpeNumber));
        Assert.Equal(8u, Read(0));
        Assert.Equal((0u, 0u), (Read(0), Read(4)));
    }

    [Fact]
    public void After_a_reset_a_new_device_has_resources_as_the_others()
    {
        using IDevice added = Make("rng2");
        added.Reset();
        _machine.Device.Reset();
        Assert.NotEqual(0u, Config(3, 0x20) & ~15u);
        Assert.Equal(6u, Config(3, 4) & 6);
        Assert.True(_machine.Services.Mmio.Find(Config(3, 0x20) & ~15u) is not null);
    }

    // QEMU docs/specs/acpi_pci_hotplug, "PCI slot removal notification" and "PCI device ejection".
    [Fact]
    public void What_the_guest_ejects_is_gone_at_once_and_its_slot_is_free()
    {
        uint place = Config(2, 0x20) & ~15u;
        Hotplug.AskFor("rng1");
        Assert.Equal(4u, Read(4));
        Assert.Equal(4u, Read(4));

        Write(8, 4);

        Assert.Equal((uint.MaxValue, 0u), (Config(2, 0), Read(4)));
        Assert.Null(_machine.Services.Mmio.Find(place));
        Assert.Null(Hotplug.SlotOf("rng1"));
        Assert.Equal(("rng1", null), (Hotplug.TakeEjected(), Hotplug.TakeEjected()));
        Devices[1].Dispose();
        using IDevice next = Make("rng3");
        Assert.Equal(2, Hotplug.SlotOf("rng3"));
    }

    // QEMU docs/specs/acpi_pci_hotplug, "PCI device ejection".
    [Theory]
    [InlineData(1u << 0)]
    [InlineData(1u << 9)]
    [InlineData(1u << 31)]
    public void A_guest_cannot_eject_what_is_no_device_in_a_slot(uint slots)
    {
        Write(8, slots);
        Assert.Null(Hotplug.TakeEjected());
        Assert.Equal(0x29c0_8086u, Config(0, 0));
    }

    [Fact]
    public void Devices_take_the_slots_that_they_are_given()
    {
        using IDevice placed = DeviceFactories.Create(new VirtioRngConfig("rng7") { PciSlot = 7 }, _machine.Services);
        Assert.Equal(7, Hotplug.SlotOf("rng7"));
        Assert.Contains("slot 7", Assert.Throws<ConfigException>(() => DeviceFactories.Create(new VirtioRngConfig("rng8") { PciSlot = 7 }, _machine.Services)).Message, StringComparison.Ordinal);
        using IDevice free = Make("rng3");
        Assert.Equal(3, Hotplug.SlotOf("rng3"));
    }

    public void Dispose()
    {
        foreach (IDevice device in Devices) device.Dispose();
        _machine.Dispose();
    }

    private IDevice Make(string name) => DeviceFactories.Create(new VirtioRngConfig(name), _machine.Services);

    private uint Config(int slot, int register)
    {
        byte[] data = new byte[4];
        _machine.Services.Mmio.Read(PciWindows.EcamStart + ((ulong)slot << 15) + (ulong)register, data);
        return BinaryPrimitives.ReadUInt32LittleEndian(data);
    }

    private uint Read(int register)
    {
        byte[] data = new byte[4];
        _machine.Services.Ports.Read((ulong)(PciHotplug.BasePort + register), data);
        return BinaryPrimitives.ReadUInt32LittleEndian(data);
    }

    private void Write(int register, uint value)
    {
        byte[] data = new byte[4];
        BinaryPrimitives.WriteUInt32LittleEndian(data, value);
        _machine.Services.Ports.Write((ulong)(PciHotplug.BasePort + register), data);
    }
}
