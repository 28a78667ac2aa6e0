using System;
using System.Threading;
using Hutch.Devices;
using Hutch.Host.Events;
using Hutch.Model.Machine;
using Xunit;

namespace Hutch.Tests.Devices.Chipset;

/// <summary>vCPU, timer and channel threads at once: no deadlock, and no line left at a wrong level.</summary>
public sealed class ConcurrencyTests
{
    private const int Rounds = 50_000;

    [Fact]
    public void Threads_that_use_all_parts_at_once_all_finish()
    {
        using NoisyChannel channel = new();
        using FakeMachine machine = new(_ => channel);
        using IDevice uart = DeviceFactories.Create(new SerialConfig("com", 1, new CharacterBackend(CharacterBackendKind.None)), machine.Services);
        using IDevice test = DeviceFactories.Create(new TestDeviceConfig("test-dev"), machine.Services);
        machine.Device.Start();
        uart.Start();
        Thread[] threads =
        [
            Run(i => machine.Time.Advance(10_000)),
            Run(i => machine.Out((ushort)(0x40 + i % 4), (byte)i)),
            Run(i => machine.Out(i % 2 == 0 ? (ushort)0x70 : (ushort)0x71, (byte)(i / 2))),
            Run(i => machine.Out((ushort)(0x3f8 + i % 8), (byte)(i * 7))),
            Run(i => _ = machine.In((ushort)(0x3f8 + i % 8))),
            Run(i => channel.Offer()),
            Run(i => machine.Services.Controllers!.EndOfInterrupt((byte)i)),
            Run(i => _ = machine.Services.Controllers!.AcknowledgeExternalInterrupt()),
            Run(i => machine.Out((ushort)(0x2000 + i % 24), (byte)(i & 1))),
            Run(i => machine.Services.Ports.Write(0x600, [(byte)i, (byte)(i >> 8), (byte)i, 1])),
        ];
        foreach (Thread thread in threads) Assert.True(thread.Join(TimeSpan.FromMinutes(2)), "A thread hangs.");
    }

    [Fact]
    public void Line_ends_at_the_level_that_the_uart_shows()
    {
        using NoisyChannel channel = new();
        RecordingWire wire = new();
        using Hutch.Devices.Serial.Uart16550 uart = new("com", wire.Line, channel);
        uart.Start();
        Thread[] threads =
        [
            Run(i => uart.WriteRegister(1, (byte)(i & 3))),
            Run(i => channel.Offer()),
            Run(i => _ = uart.ReadRegister(0)),
            Run(i => _ = uart.ReadRegister(2)),
        ];
        foreach (Thread thread in threads) Assert.True(thread.Join(TimeSpan.FromMinutes(2)), "A thread hangs.");
        bool level = wire.Level;

        Assert.Equal(level, (uart.ReadRegister(2) & 1) == 0);
    }

    private static Thread Run(Action<int> step)
    {
        Thread thread = new(() =>
        {
            for (int i = 0; i < Rounds; i++) step(i);
        })
        { IsBackground = true };
        thread.Start();
        return thread;
    }

    private sealed class NoisyChannel : ICharacterChannel
    {
        private ReceiveBytes? _receive;

        public void Offer() => _receive?.Invoke("x"u8);

        public void Write(ReadOnlySpan<byte> data) { }

        public void StartInput(ReceiveBytes receive) => _receive = receive;

        public void ResumeInput() => Offer();

        public void Dispose() { }
    }
}
