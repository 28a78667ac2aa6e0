using System;
using Hutch.Core.Bus;
using Hutch.Core.Memory;
using Hutch.Devices;
using Hutch.Host.Events;
using Hutch.Model.Machine;
using Xunit;

namespace Hutch.Tests.Devices.Chipset;

/// <summary>A whole chipset on its buses.</summary>
internal sealed class FakeMachine : IDisposable
{
    public FakeMachine(Func<CharacterBackend, ICharacterChannel>? openChannel = null, bool hpet = false)
    {
        Memory = GuestMemory.Create(64 << 20);
        Services = new MachineServices
        {
            Memory = Memory,
            Ports = new AddressBus("ports"),
            Mmio = new AddressBus("mmio"),
            Interrupts = Router,
            Timers = Time,
            Platform = Platform,
            OpenDisk = _ => throw new ConfigException("There are no disks here."),
            OpenChannel = openChannel ?? (_ => throw new ConfigException("There are no channels here.")),
        };
        Device = DeviceFactories.Create(new PlatformConfig("platform", Hpet: hpet), Services);
    }

    public GuestMemory Memory { get; }

    public MachineServices Services { get; }

    public RecordingRouter Router { get; } = new();

    public FakeTime Time { get; } = new();

    public RecordingPlatform Platform { get; } = new();

    public IDevice Device { get; }

    public void Out(ushort port, byte value) => Services.Ports.Write(port, [value]);

    public byte In(ushort port)
    {
        byte[] data = new byte[1];
        Services.Ports.Read(port, data);
        return data[0];
    }

    public void Dispose()
    {
        Device.Dispose();
        Memory.Dispose();
    }
}

public sealed class PlatformTests
{
    [Fact]
    public void Factory_gives_the_machine_its_interrupts_and_its_pci_bus()
    {
        using FakeMachine machine = new();

        Assert.NotNull(machine.Services.Controllers);
        Assert.NotNull(machine.Services.Pci);
        Assert.Equal(-1, machine.Services.Controllers.AcknowledgeExternalInterrupt());
    }

    // Intel ICH9 data sheet §13.7.5 (reset control, 0CF9h) and §13.7.2 (port 92h, bit 0); IBM PS/2, command FEh.
    [Theory]
    [InlineData(0xcf9, 0x06)]
    [InlineData(0x64, 0xfe)]
    [InlineData(0x92, 0x03)]
    public void Each_reset_port_resets_the_platform(ushort port, byte value)
    {
        using FakeMachine machine = new();
        machine.Out(port, value);

        Assert.Equal(1, machine.Platform.Resets);
    }

    // Intel ICH9 data sheet §13.7.5: bit 1 only says how deep the reset is that bit 2 begins.
    [Fact]
    public void Selecting_a_hard_reset_without_asking_for_it_does_nothing()
    {
        using FakeMachine machine = new();
        machine.Out(0xcf9, 0x02);

        Assert.Equal(0, machine.Platform.Resets);
        Assert.Equal(0x02, machine.In(0xcf9));
    }

    // Intel ICH9 data sheet §13.7.5: bits 1 and 3 are kept; bit 2 is not, and the others are reserved.
    [Fact]
    public void Reserved_bits_of_the_reset_control_read_as_zero()
    {
        using FakeMachine machine = new();
        Assert.Equal(0, machine.In(0xcf9));
        machine.Out(0xcf9, 0xfb);
        Assert.Equal((0, 0x0a), (machine.Platform.Resets, machine.In(0xcf9)));
        machine.Out(0xcf9, 0xff);
        Assert.Equal((1, 0x0a), (machine.Platform.Resets, machine.In(0xcf9)));
        machine.Device.Reset();
        Assert.Equal(0, machine.In(0xcf9));
    }

    // Intel ICH9 data sheet §13.7.2, bit 1; IBM PS/2, command D0h: there is one A20.
    [Fact]
    public void Port_92_and_the_keyboard_controller_have_the_same_a20()
    {
        using FakeMachine machine = new();
        Assert.Equal(0x02, machine.In(0x92));
        machine.Out(0x92, 0x00);
        Assert.Equal(0x00, machine.In(0x92));
        machine.Out(0x64, 0xd0);
        Assert.Equal(0x01, machine.In(0x60));
        machine.Out(0x64, 0xdf);
        Assert.Equal((0x02, 0), (machine.In(0x92), machine.Platform.Resets));
    }

    // ACPI 6.5 §4.8.3.2, SLP_TYP and SLP_EN.
    [Fact]
    public void Sleep_enable_with_type_soft_off_powers_off()
    {
        using FakeMachine machine = new();
        machine.Services.Ports.Write(0x604, [0x00, 0x20]);

        Assert.Equal(1, machine.Platform.PowerOffs);
    }

    // ACPI 6.5 §4.8.3.2, SLP_TYP.
    [Fact]
    public void Another_sleep_type_does_not_power_off()
    {
        using FakeMachine machine = new();
        machine.Services.Ports.Write(0x604, [0x00, 0x24]);

        Assert.Equal(0, machine.Platform.PowerOffs);
    }

    // ACPI 6.5 §5.2.12.5, as the MADT has it.
    [Fact]
    public void Timer_interrupt_reaches_pin_2_of_the_ioapic()
    {
        using FakeMachine machine = new();
        machine.Services.Mmio.Write(0xFEC0_0000, [0x14, 0, 0, 0]);
        machine.Services.Mmio.Write(0xFEC0_0010, [0x30, 0, 0, 0]);
        machine.Device.Start();
        machine.Out(0x43, 0x34);
        machine.Out(0x40, 0xa9);
        machine.Out(0x40, 0x04);
        machine.Router.Messages.Clear();
        machine.Time.Advance(TimeSpan.FromSeconds(1));

        Assert.InRange(machine.Router.Messages.Count, 999, 1001);
        Assert.All(machine.Router.Messages, m => Assert.Equal(0x4030u, m.Data));
    }

    [Fact]
    public void Random_accesses_to_all_ports_and_the_ioapic_do_no_harm()
    {
        using FakeMachine machine = new();
        machine.Device.Start();
        Random random = new(20240229);
        byte[] data = new byte[8];
        for (int i = 0; i < RandomAccesses.Count; i++)
        {
            int width = 1 << random.Next(3);
            random.NextBytes(data);
            ushort port = (ushort)random.Next(0x1000);
            switch (random.Next(4))
            {
                case 0: machine.Services.Ports.Read(port, data.AsSpan(0, width)); break;
                case 1: machine.Services.Ports.Write(port, data.AsSpan(0, width)); break;
                case 2: machine.Services.Mmio.Read(0xFEC0_0000 + (ulong)random.Next(0x60), data.AsSpan(0, width)); break;
                default: machine.Services.Mmio.Write(0xFEC0_0000 + (ulong)random.Next(0x60), data.AsSpan(0, width)); break;
            }
            if (i % 256 == 0) machine.Time.Advance(random.Next(1_000_000));
            if (i % 16 == 0) _ = machine.Services.Controllers!.AcknowledgeExternalInterrupt();
        }
        machine.Device.Stop();
        machine.Device.Reset();

        Assert.NotEqual(0, machine.Platform.Resets);
    }
}
