using System;
using System.Linq;
using System.IO;
using Hutch.Core.Interrupts;
using Hutch.Core.State;
using Hutch.Dev.DeviceFuzz;
using Hutch.Devices;
using Hutch.Host.Vfio;
using Hutch.Model.Machine;
using Hutch.Tests.Devices.Virtio;
using Xunit;

namespace Hutch.Tests.Devices.Vfio;

/// <summary>A device of the host in the guest, by configuration space and registers, with a VFIO that the test is (linux/vfio.h; PCI Local Bus 3.0 §6.2.5, §6.8.1; PCI Express Base 5.0 §7.5.3, §7.7.2).</summary>
public sealed class VfioPciTests : IDisposable
{
    private const int Slot = 1, BusMaster = 4, Decode = 3;

    private readonly string _folder = Directory.CreateTempSubdirectory("hutch-vfio-").FullName;
    private readonly FakeVfio _vfio;
    private readonly TestMachine _machine;
    private readonly IDevice _device;

    public VfioPciTests()
    {
        _vfio = new FakeVfio(_folder);
        _machine = new TestMachine(hostDevices: new VfioHost(_vfio, _folder));
        _device = DeviceFactories.Create(new VfioPciConfig("card", FakeVfio.Address), _machine.Services);
        _machine.Pci.AssignResources(1UL << 35, 1UL << 35);
        _device.Reset();
    }

    public void Dispose()
    {
        _device.Dispose();
        Assert.Equal(0, _vfio.Held);
        _machine.Dispose();
        _vfio.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    private uint Config(int offset, int width = 4) => _machine.ReadConfig(Slot, offset, width);

    private ulong Bar(int index) => Config(0x10 + (4 * index)) & ~15u;

    private void SetMsix(ushort control) => _machine.WriteConfig(Slot, FakeVfio.Msix + 2, control, 2);

    private void WriteEntry(int vector, uint address, uint data, uint control)
    {
        ulong at = Bar(0) + FakeVfio.Table + (ulong)(vector * 16);
        _machine.Store(at, address, 8);
        _machine.Store(at + 8, data, 4);
        _machine.Store(at + 12, control, 4);
    }

    [Fact]
    public void Bars_are_as_long_as_the_devices_and_lead_to_it()
    {
        Assert.Equal(0x1533_8086u, Config(0));
        Assert.Equal(0x0200_0003u, Config(8));
        foreach ((int index, uint mask) in ((int, uint)[])[(0, 0xffff_c000), (1, 0), (2, 0xffff_000c), (3, 0xffff_ffff), (4, 0xffff_ffe1), (5, 0)])
        {
            uint before = Config(0x10 + (4 * index));
            _machine.WriteConfig(Slot, 0x10 + (4 * index), 0xffff_ffff);
            Assert.Equal(mask, Config(0x10 + (4 * index)));
            _machine.WriteConfig(Slot, 0x10 + (4 * index), before);
        }
        _machine.Store(Bar(0) + 0x10, 0x1122_3344, 4);
        Assert.Equal(0x44, _vfio.Regions[0][0x10]);
        _vfio.Regions[2][0xfff8] = 9;
        Assert.Equal(9UL, _machine.Load(Bar(2) + 0xfff8, 8));
        _machine.Out((ushort)(Bar(4) + 4), 0x77, 1);
        Assert.Equal(0x77, _vfio.Regions[4][4]);
        Assert.DoesNotContain(_vfio.ConfigWrites, static write => write.Offset is >= 0x10 and < 0x34);
    }

    [Fact]
    public void The_rom_is_the_devices_unless_it_is_switched_off()
    {
        _machine.WriteConfig(Slot, 0x30, 0xffff_ffff);
        Assert.Equal(0xffff_f001u, Config(0x30));
        using TestMachine machine = new(hostDevices: new VfioHost(_vfio, _folder));
        using IDevice device = DeviceFactories.Create(new VfioPciConfig("card", FakeVfio.Address, HasRom: false), machine.Services);
        machine.WriteConfig(Slot, 0x30, 0xffff_ffff);
        Assert.Equal(0u, machine.ReadConfig(Slot, 0x30));
    }

    [Fact]
    public void Pages_are_shown_while_the_device_interrupts_by_messages_and_those_of_the_table_never()
    {
        Assert.Equal([(0L, 0x2000), (0x3000L, 0x1000), (2L << 40, 0x10000)], _vfio.Mapped);
        Assert.All(_machine.Memory.Layout.Devices.ToArray(), static memory => Assert.Null(memory.Start));
        SetMsix(0x8000);
        Assert.Equal([Bar(0), Bar(0) + 0x3000, Bar(2)], _machine.Memory.Layout.Devices.ToArray().Select(static memory => memory.Start!.Value));
        _machine.WriteConfig(Slot, 4, BusMaster, 2);
        Assert.All(_machine.Memory.Layout.Devices.ToArray(), static memory => Assert.Null(memory.Start));
        _machine.WriteConfig(Slot, 4, Decode, 2);
        SetMsix(0);
        Assert.All(_machine.Memory.Layout.Devices.ToArray(), static memory => Assert.Null(memory.Start));
    }

    [Fact]
    public void Msix_gives_the_host_an_event_for_each_vector_and_masks_only_what_the_guest_gets()
    {
        WriteEntry(1, 0xfee0_1000, 0x41, 0);
        SetMsix(0xc000);
        Assert.Equal((0, 33u, 0), (_vfio.Irqs[^2].Irq, _vfio.Irqs[^2].Flags, _vfio.Irqs[^2].Count));
        Assert.Equal((2, 36u, FakeVfio.Vectors), (_vfio.Irqs[^1].Irq, _vfio.Irqs[^1].Flags, _vfio.Irqs[^1].Count));
        HeldVector[] vectors = [.. _machine.Router.Vectors];
        Assert.Equal(vectors.Select(static vector => vector.Event.Descriptor), _vfio.Irqs[^1].Events);
        Assert.All(vectors, static vector => Assert.Null(vector.Message));
        SetMsix(0x8000);
        Assert.Equal(new MsiMessage(0xfee0_1000, 0x41), vectors[1].Message);
        Assert.Null(vectors[0].Message);
        WriteEntry(0, 0xfee0_2000, 0x42, 0);
        Assert.Equal(new MsiMessage(0xfee0_2000, 0x42), vectors[0].Message);
        WriteEntry(0, 0xfee0_2000, 0x42, 1);
        Assert.Null(vectors[0].Message);
        _vfio.Interrupt(2, 0);
        Assert.True(vectors[0].Event.Drain());
        int before = _vfio.Irqs.Count;
        SetMsix(0);
        Assert.Equal([(2, 33u, 0), (0, 36u, 1)], _vfio.Irqs.Skip(before).Select(static each => (each.Irq, each.Flags, each.Count)));
        Assert.All(vectors, static vector => Assert.True(vector.IsDisposed));
        // The device's own table is the host's.
        Assert.All(_vfio.Regions[0].AsSpan(FakeVfio.Table, FakeVfio.Vectors * 16).ToArray(), static value => Assert.Equal(0, value));
    }

    [Fact]
    public void Msi_numbers_its_vectors_in_the_data()
    {
        _machine.WriteConfig(Slot, FakeVfio.Msi + 4, 0xfee0_3000);
        _machine.WriteConfig(Slot, FakeVfio.Msi + 8, 0);
        _machine.WriteConfig(Slot, FakeVfio.Msi + 12, 0x53, 2);
        _machine.WriteConfig(Slot, FakeVfio.Msi + 16, 1 << 2);
        _machine.WriteConfig(Slot, FakeVfio.Msi + 2, 0x21, 2);
        Assert.Equal((1, 36u, 4), (_vfio.Irqs[^1].Irq, _vfio.Irqs[^1].Flags, _vfio.Irqs[^1].Count));
        Assert.Equal([0x50u, 0x51u, null, 0x53u], _machine.Router.Vectors.Select(static vector => vector.Message?.Data));
        _machine.WriteConfig(Slot, FakeVfio.Msi + 16, 0);
        Assert.Equal(new MsiMessage(0xfee0_3000, 0x52), _machine.Router.Vectors[2].Message);
        Assert.DoesNotContain(_vfio.ConfigWrites, static write => write.Offset is >= FakeVfio.Msi and < FakeVfio.Msix);
    }

    [Fact]
    public void The_pin_stays_up_until_the_guest_looks_at_the_device()
    {
        int gsi = Hutch.Devices.Pci.PciBus.GsiOf(Slot, 0);
        Assert.Equal((0, 36u, 1), (_vfio.Irqs[^1].Irq, _vfio.Irqs[^1].Flags, _vfio.Irqs[^1].Count));
        _vfio.Interrupt(0);
        System.Threading.SpinWait.SpinUntil(() => _machine.Gsi[gsi], TimeSpan.FromSeconds(20));
        Assert.True(_machine.Gsi[gsi]);
        Assert.Equal(8u, Config(6, 2) & 8);
        _ = _machine.Load(Bar(0), 4);
        Assert.False(_machine.Gsi[gsi]);
        Assert.Equal((0, 17u, 1), (_vfio.Irqs[^1].Irq, _vfio.Irqs[^1].Flags, _vfio.Irqs[^1].Count));
        int before = _vfio.Irqs.Count;
        _ = _machine.Load(Bar(0), 4);
        Assert.Equal(before, _vfio.Irqs.Count);
    }

    [Fact]
    public void Configuration_space_is_the_devices_but_for_what_is_the_machines()
    {
        byte[] list = new byte[5];
        byte at = (byte)Config(0x34, 1);
        for (int i = 0; i < list.Length; i++, at = (byte)Config(at + 1, 1)) list[i] = (byte)Config(at, 1);
        Assert.Equal([1, 5, 0x11, 9, 0x10], list);
        Assert.Equal(0, at);
        // Awake, whatever it was; and what the guest lets sleep stays awake.
        Assert.Equal(8u, Config(FakeVfio.Power + 4, 2));
        _machine.WriteConfig(Slot, FakeVfio.Power + 4, 3, 2);
        Assert.Equal(11u, Config(FakeVfio.Power + 4, 2));
        Assert.Equal(0x0092u, Config(FakeVfio.Express + 2, 2));
        Assert.Equal(0u, Config(FakeVfio.Express + 0x0c));
        Assert.Equal(0u, Config(0x100));
        _vfio.ConfigWrites.Clear();
        _machine.WriteConfig(Slot, FakeVfio.Vendor + 4, 0xaabb_ccdd);
        Assert.Equal((FakeVfio.Vendor + 4, "DDCCBBAA"), (_vfio.ConfigWrites[0].Offset, Convert.ToHexString(_vfio.ConfigWrites[0].Data)));
        Assert.Equal(0xaabb_ccddu, Config(FakeVfio.Vendor + 4));
        // The device decodes all the time, and is a bus master when the guest says so.
        _machine.WriteConfig(Slot, 4, 0, 2);
        Assert.Equal([3, 0], _vfio.ConfigWrites[^1].Data);
        _machine.WriteConfig(Slot, 4, BusMaster, 2);
        Assert.Equal([7, 0], _vfio.ConfigWrites[^1].Data);
        Assert.Equal((uint)BusMaster, Config(4, 2));
    }

    [Fact]
    public unsafe void The_device_reaches_memory_whose_pages_stay()
    {
        (ulong address, ulong host, ulong length) = Assert.Single(_vfio.Dma);
        Assert.Equal((0UL, (ulong)_machine.Memory.HostBase, _machine.Memory.LengthBytes), (address, host, length));
        Assert.True(_machine.Memory.TryWrite(0x5000, 7));
        Assert.True(_machine.Memory.TryRelease(0x5000, 4096));
        Assert.Equal(7, _machine.Memory16(0x5000));
        _machine.Memory.Clear();
        Assert.Equal(0, _machine.Memory16(0x5000));
        int resets = _vfio.Resets;
        SetMsix(0x8000);
        _device.Reset();
        Assert.Equal(resets + 1, _vfio.Resets);
        Assert.Equal(0u, Config(FakeVfio.Msix + 2, 2) >> 15);
        Assert.Equal((0, 36u), (_vfio.Irqs[^1].Irq, _vfio.Irqs[^1].Flags));
    }

    [Fact]
    public void A_guest_may_ask_for_the_sizes_of_registers_that_are_mapped()
    {
        SetMsix(0x8000);
        for (int register = 0x10; register < 0x28; register += 4) _machine.WriteConfig(Slot, register, uint.MaxValue);
        for (int register = 0x10; register < 0x28; register += 4) Assert.True(Config(register) is 0 or > 0x8000_0000);
    }

    [Fact]
    public void Its_state_cannot_be_saved()
    {
        Assert.Contains("'card' cannot be saved or restored: its state is in 0000:01:00.0 of the host", Assert.Throws<StateException>(() => _device.Exchange(new StateWriter("card"))).Message, StringComparison.Ordinal);
        Assert.False(new VfioPciConfig("card", FakeVfio.Address).IsPluggable);
        Assert.True(_machine.Services.HostDevices.IsInUse);
    }
}
