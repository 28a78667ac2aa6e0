using System;
using Hutch.Devices;
using Hutch.Model.Machine;
using Hutch.Tests.Devices.Chipset;
using Hutch.Tests.Devices.Virtio;
using Xunit;

namespace Hutch.Tests.Devices.Firmware;

/// <summary>The port on which firmware writes what it does (QEMU's isa-debugcon).</summary>
public sealed class DebugConsoleTests : IDisposable
{
    private readonly LoopChannel _channel = new();

    public void Dispose() => _channel.Dispose();

    // QEMU's isa-debugcon: port 402h by firmware's habit, which reads as E9h.
    [Fact]
    public void The_port_says_that_it_is_there_and_passes_bytes_on()
    {
        using FakeMachine machine = new(_ => _channel);
        using IDevice device = DeviceFactories.Create(new DebugConsoleConfig("debug", new CharacterBackend(CharacterBackendKind.None)), machine.Services);

        Assert.Equal(0xe9, machine.In(0x402));
        foreach (byte value in "SeaBIOS"u8) machine.Out(0x402, value);
        Assert.Equal("SeaBIOS", _channel.Output);
        device.Reset();
        Assert.Equal(0xe9, machine.In(0x402));
    }

    [Fact]
    public void A_port_that_is_taken_is_the_operators_mistake()
    {
        using FakeMachine machine = new(_ => _channel);

        Assert.Contains("i8042", Assert.Throws<ConfigException>(() =>
            DeviceFactories.Create(new DebugConsoleConfig("debug", new CharacterBackend(CharacterBackendKind.None), 0x60), machine.Services)).Message, StringComparison.Ordinal);
    }
}
