using System;
using Hutch.Devices;
using Hutch.Model.Machine;
using Hutch.Tests.Devices.Chipset;
using Xunit;

namespace Hutch.Tests.Devices.TestDevices;

/// <summary>Devices for programs that test a machine: QEMU's isa-debug-exit and pc-testdev.</summary>
public sealed class TestDeviceTests : IDisposable
{
    private readonly FakeMachine _machine = new();

    public void Dispose() => _machine.Dispose();

    // QEMU's isa-debug-exit: the status is (value << 1) | 1.
    [Theory]
    [InlineData(0, 1)]
    [InlineData(1, 3)]
    [InlineData(0x10, 0x21)]
    public void Debug_exit_shifts_the_value_and_sets_bit_0(byte value, int status)
    {
        using IDevice device = DeviceFactories.Create(new DebugExitConfig("debug-exit"), _machine.Services);
        _machine.Services.Ports.Write(0xf4, [value, 0, 0, 0]);

        Assert.Equal(status, _machine.Platform.ExitStatus);
    }

    [Fact]
    public void Debug_exit_takes_every_width()
    {
        using IDevice device = DeviceFactories.Create(new DebugExitConfig("debug-exit"), _machine.Services);
        _machine.Services.Ports.Write(0xf4, [0x34, 0x12]);

        Assert.Equal(0x2469, _machine.Platform.ExitStatus);
    }

    // QEMU's isa-debug-exit: reads give zero, and do not end anything.
    [Fact]
    public void Debug_exit_reads_as_zero()
    {
        using IDevice device = DeviceFactories.Create(new DebugExitConfig("debug-exit"), _machine.Services);
        byte[] data = [0xff, 0xff, 0xff, 0xff];
        _machine.Services.Ports.Read(0xf4, data);

        Assert.Equal(new byte[4], data);
        Assert.Null(_machine.Platform.ExitStatus);
    }

    [Fact]
    public void Debug_exit_on_a_taken_port_is_refused()
    {
        Assert.Throws<ConfigException>(() => DeviceFactories.Create(new DebugExitConfig("debug-exit", 0x60, 1), _machine.Services));
        Assert.Throws<ConfigException>(() => DeviceFactories.Create(new DebugExitConfig("debug-exit", 0xf4, 8), _machine.Services));
    }

    // QEMU's pc-testdev: ports E0h and E8h.
    [Theory]
    [InlineData(0xe0)]
    [InlineData(0xe8)]
    public void Scratch_ports_read_back_in_any_width(ushort port)
    {
        using IDevice device = DeviceFactories.Create(new TestDeviceConfig("test-dev"), _machine.Services);
        byte[] data = new byte[4];
        _machine.Services.Ports.Write(port, [1, 2, 3, 4]);
        _machine.Services.Ports.Write((ulong)port + 1, [9]);
        _machine.Services.Ports.Read(port, data);
        Assert.Equal([1, 9, 3, 4], data);
        _machine.Services.Ports.Read((ulong)port + 2, data.AsSpan(0, 2));

        Assert.Equal([3, 4, 3, 4], data);
    }

    // QEMU's pc-testdev: memory at FF000000h.
    [Fact]
    public void Memory_reads_back_what_was_written()
    {
        using IDevice device = DeviceFactories.Create(new TestDeviceConfig("test-dev"), _machine.Services);
        byte[] data = new byte[8];
        _machine.Services.Mmio.Write(0xFF00_FFF8, [1, 2, 3, 4, 5, 6, 7, 8]);
        _machine.Services.Mmio.Read(0xFF00_FFF8, data);

        Assert.Equal([1, 2, 3, 4, 5, 6, 7, 8], data);
    }

    // QEMU's pc-testdev: ports 2000h to 2017h, one for each interrupt line.
    [Fact]
    public void Line_port_sets_the_level_of_its_interrupt()
    {
        using IDevice device = DeviceFactories.Create(new TestDeviceConfig("test-dev"), _machine.Services);
        _machine.Services.Mmio.Write(0xFEC0_0000, [0x10 + 2 * 14, 0, 0, 0]);
        _machine.Services.Mmio.Write(0xFEC0_0010, [0x55, 0, 0, 0]);
        _machine.Out(0x200e, 1);
        _machine.Out(0x200e, 0);
        _machine.Out(0x200e, 1);

        Assert.Equal(2, _machine.Router.Messages.Count);
        Assert.All(_machine.Router.Messages, m => Assert.Equal(0x4055u, m.Data));
    }

    [Fact]
    public void Second_test_device_is_refused()
    {
        using IDevice device = DeviceFactories.Create(new TestDeviceConfig("test-dev"), _machine.Services);

        Assert.Throws<ConfigException>(() => DeviceFactories.Create(new TestDeviceConfig("other"), _machine.Services));
    }

    [Fact]
    public void Random_accesses_do_no_harm()
    {
        using IDevice device = DeviceFactories.Create(new TestDeviceConfig("test-dev"), _machine.Services);
        using IDevice exit = DeviceFactories.Create(new DebugExitConfig("debug-exit"), _machine.Services);
        Random random = new(7);
        byte[] data = new byte[8];
        ushort[] bases = [0xe0, 0xf0, 0x2000];
        for (int i = 0; i < RandomAccesses.Count; i++)
        {
            ushort port = (ushort)(bases[random.Next(3)] + random.Next(32));
            int width = 1 << random.Next(3);
            random.NextBytes(data);
            if (random.Next(2) == 0) _machine.Services.Ports.Read(port, data.AsSpan(0, width));
            else _machine.Services.Ports.Write(port, data.AsSpan(0, width));
            ulong address = 0xFF00_0000 + (ulong)random.Next(0x1_0010);
            if (random.Next(2) == 0) _machine.Services.Mmio.Read(address, data.AsSpan(0, 1 << random.Next(4)));
            else _machine.Services.Mmio.Write(address, data.AsSpan(0, 1 << random.Next(4)));
        }

        Assert.NotNull(_machine.Platform.ExitStatus);
    }
}
