using System;
using System.IO;
using System.Text;
using Hutch.Core.Bus;
using Hutch.Core.Engine;
using Hutch.Core.Memory;
using Hutch.Devices;
using Hutch.Host.Time;
using Hutch.Model.Machine;
using Xunit;

namespace Hutch.Tests.Engine;

/// <summary>SeaBIOS, 16-bit and 32-bit code that no one of us wrote, runs to its boot prompt on our chipset.</summary>
public sealed class FirmwareTests
{
    private const string Image = "/usr/share/seabios/bios.bin";

    [Theory, Software(Needs = Image), Kvm(Needs = Image)]
    public void SeaBIOS_comes_to_its_boot_prompt(string engine)
    {
        using FirmwareMachine machine = new(engine, File.ReadAllBytes(Image));
        VcpuStop stop = machine.Run();
        Assert.True(stop == VcpuStop.Requested, $"{stop}: {machine.Failure}\n{machine.Text}");
        Assert.Contains("SeaBIOS (version", machine.Text, StringComparison.Ordinal);
        Assert.Contains("No bootable device.", machine.Text, StringComparison.Ordinal);
    }

    /// <summary>Our chipset, 16 MiB, and what SeaBIOS expects of QEMU: its debug port and the memory's size by its configuration ports.</summary>
    private sealed class FirmwareMachine : IDisposable, IVcpuExits, IBusDevice, IPlatformEvents
    {
        // The image is 128 KiB long and lies below 1 MiB, where the processor begins 16 bytes before its end.
        private const ulong ImageAddress = 0xe_0000, MemoryBytes = 16 << 20;
        private const ushort DebugPort = 0x402, SelectPort = 0x510;
        private const int Signature = 0, CpuCount = 5, MostCpus = 15;

        private readonly TimerQueue _timers = new(new MonotonicClock());
        private readonly IHypervisor _engine;
        private readonly GuestMemory _memory;
        private readonly IVirtualMachine _machine;
        private readonly MachineServices _services;
        private readonly IDevice _platform;
        private readonly StringBuilder _text = new();
        private int _selected, _position;

        internal FirmwareMachine(string engine, byte[] image)
        {
            _engine = Engines.Create(engine);
            _memory = GuestMemory.Create(MemoryBytes);
            _machine = _engine.CreateMachine(_memory, new CpuTopology(1, 1, 1), CpuModel.Max);
            _services = new MachineServices
            {
                Memory = _memory,
                Ports = new AddressBus("port"),
                Mmio = new AddressBus("address"),
                Interrupts = _machine.Interrupts,
                Timers = _timers,
                Platform = this,
                OpenDisk = _ => throw new ConfigException("There are no disks here."),
                OpenChannel = _ => throw new ConfigException("There are no channels here."),
            };
            _platform = DeviceFactories.Create(new PlatformConfig("platform"), _services);
            _services.Ports.Map("debug", DebugPort, 1, new DebugConsole(this));
            _services.Ports.Map("fw_cfg", SelectPort, 2, this);
            Assert.Equal(1 << 17, image.Length);
            _memory.TryCopyIn(ImageAddress, image);
            X86VcpuState state = new();
            _machine.Vcpus[0].SaveRegisters(state);
            state.Segments[1] = state.Segments[1] with { Base = 0xf_0000 };
            _machine.Vcpus[0].RestoreRegisters(state);
        }

        internal string Text => _text.ToString();

        internal string? Failure => _machine.Vcpus[0].FailureDetail;

        internal VcpuStop Run()
        {
            _platform.Start();
            VcpuRunner runner = new(_machine.Vcpus[0], this);
            VcpuStop stop = runner.Join();
            _platform.Stop();
            return stop;
        }

        // The PCI bus is hidden: at the sight of a host bridge SeaBIOS runs code of its flash below 4 GiB, which this machine has not.
        public void ReadPort(ushort port, Span<byte> data)
        {
            if (port is >= 0xcf8 and <= 0xcff) data.Fill(0xff);
            else _services.Ports.Read(port, data);
        }

        public void WritePort(ushort port, ReadOnlySpan<byte> data) => _services.Ports.Write(port, data);

        public void ReadMmio(ulong address, Span<byte> data) => _services.Mmio.Read(address, data);

        public void WriteMmio(ulong address, ReadOnlySpan<byte> data) => _services.Mmio.Write(address, data);

        public void EndOfInterrupt(byte vector) => _services.Controllers!.EndOfInterrupt(vector);

        public int AcknowledgeExternalInterrupt() => _services.Controllers!.AcknowledgeExternalInterrupt();

        // fw_cfg: a selector and a byte at a time (QEMU docs/specs/fw_cfg.rst).
        public BusStatus Read(ulong offset, Span<byte> data)
        {
            ReadOnlySpan<byte> item = _selected switch { Signature => "QEMU"u8, CpuCount or MostCpus => [1, 0], _ => [] };
            data[0] = offset == 1 && _position < item.Length ? item[_position++] : (byte)0;
            return BusStatus.Handled;
        }

        public BusStatus Write(ulong offset, ReadOnlySpan<byte> data)
        {
            (_selected, _position) = (data.Length == 2 ? BitConverter.ToUInt16(data) : data[0], 0);
            return BusStatus.Handled;
        }

        public void PowerOff() => _machine.Vcpus[0].RequestStop();

        public void Reset() => _machine.Vcpus[0].RequestStop();

        public void Exit(int status) => _machine.Vcpus[0].RequestStop();

        public void Dispose()
        {
            _platform.Dispose();
            _machine.Dispose();
            _memory.Dispose();
            _engine.Dispose();
            _timers.Dispose();
        }

        /// <summary>Reads as 0xe9, by which SeaBIOS knows that somebody listens.</summary>
        private sealed class DebugConsole(FirmwareMachine machine) : IBusDevice
        {
            public BusStatus Read(ulong offset, Span<byte> data)
            {
                data[0] = 0xe9;
                return BusStatus.Handled;
            }

            public BusStatus Write(ulong offset, ReadOnlySpan<byte> data)
            {
                machine._text.Append((char)data[0]);
                if (data[0] == '\n' && machine.Text.Contains("No bootable device", StringComparison.Ordinal)) machine._machine.Vcpus[0].RequestStop();
                return BusStatus.Handled;
            }
        }
    }
}
