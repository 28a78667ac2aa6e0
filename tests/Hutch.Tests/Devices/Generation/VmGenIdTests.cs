using System;
using System.Text;
using Hutch.Core.Memory;
using Hutch.Core.State;
using Hutch.Devices;
using Hutch.Devices.Acpi;
using Hutch.Devices.Generation;
using Hutch.Model.Machine;
using Hutch.Tests.Devices.Virtio;
using Xunit;

namespace Hutch.Tests.Devices.Generation;

/// <summary>The generation identifier (Microsoft, Virtual Machine Generation ID, 2012; QEMU docs/specs/vmgenid, whose _HID and ADDR guests look for).</summary>
public sealed class VmGenIdTests : IDisposable
{
    private const ushort EventStatus = 0x620;
    private const uint Event = 1 << VmGenId.GpeNumber;

    private readonly GuestMemory _memory = GuestMemory.Create(16 << 20);
    private readonly TestMachine.RecordingRouter _router = new();
    private readonly MachineServices _services;
    private readonly IDevice _platform;

    public VmGenIdTests()
    {
        _services = new MachineServices
        {
            Memory = _memory, Ports = new("ports"), Mmio = new("mmio"), Interrupts = _router, Timers = new TestMachine.HandTimers(), Platform = new TestMachine.StoragePlatform(),
            OpenDisk = static _ => throw new ConfigException("No disk."), OpenChannel = static _ => throw new ConfigException("No channel."),
        };
        _platform = DeviceFactories.Create(new PlatformConfig("platform"), _services);
    }

    public void Dispose()
    {
        _platform.Dispose();
        _memory.Dispose();
        _router.Dispose();
    }

    private unsafe Guid Identifier => new(new ReadOnlySpan<byte>(_memory.HostAddress(VmGenId.Address), 16));

    private uint Events
    {
        get
        {
            byte[] status = new byte[2];
            _services.Ports.Read(EventStatus, status);
            return BitConverter.ToUInt16(status);
        }
    }

    private IDevice Make(Guid? first = null)
    {
        IDevice device = DeviceFactories.Create(new VmGenIdConfig("generation", first), _services);
        device.Reset();
        device.Start();
        return device;
    }

    // The first three fields of a GUID are little-endian in memory, as Windows has them.
    [Fact]
    public void The_guest_reads_the_identifier_and_cannot_write_it()
    {
        Guid first = new("324e6eaf-d1d1-4bf6-bf41-b9bb6c91fb87");
        using IDevice device = Make(first);
        Assert.Equal(first, Identifier);
        Assert.False(_memory.IsWritable(VmGenId.Address));
        Assert.Equal(0UL, VmGenId.Address % 8);
        Assert.Equal(0u, Events);
    }

    [Fact]
    public void An_identifier_that_nobody_named_is_random()
    {
        using IDevice device = Make();
        Guid first = Identifier;
        Assert.NotEqual(Guid.Empty, first);
    }

    [Fact]
    public void A_pause_and_a_reset_are_no_new_generation()
    {
        using IDevice device = Make();
        Guid first = Identifier;
        device.Stop();
        device.Exchange(new StateWriter("generation"));
        device.Start();
        device.Stop();
        device.Reset();
        device.Start();
        Assert.Equal(first, Identifier);
        Assert.Equal(0u, Events);
    }

    [Fact]
    public void A_restored_guest_has_another_and_is_told_when_it_runs()
    {
        Guid first = new("324e6eaf-d1d1-4bf6-bf41-b9bb6c91fb87");
        using IDevice device = Make(first);
        device.Stop();
        device.Exchange(new StateReader("generation", ReadOnlyMemory<byte>.Empty));
        Assert.NotEqual(first, Identifier);
        Assert.Equal(0u, Events);
        device.Start();
        Assert.Equal(Event, Events);
        // Once.
        _services.Ports.Write(EventStatus, BitConverter.GetBytes((ushort)Event));
        device.Stop();
        device.Start();
        Assert.Equal(0u, Events);
    }

    [Fact]
    public void A_second_one_is_refused()
    {
        using IDevice device = Make();
        Assert.Contains("leave one out", Assert.Throws<ConfigException>(() => Make()).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Only_a_machine_with_one_tells_of_it()
    {
        AcpiOptions options = new() { Cpus = new CpuTopology(1, 1, 1) };
        Assert.Contains("VM_Gen_Counter", Encoding.Latin1.GetString(AcpiTables.Build(options with { HasGenerationId = true }).Image), StringComparison.Ordinal);
        Assert.DoesNotContain("VM_Gen_Counter", Encoding.Latin1.GetString(AcpiTables.Build(options).Image), StringComparison.Ordinal);
    }
}
