using System;
using System.Buffers.Binary;
using System.Linq;
using System.Text;
using System.Threading;
using Hutch.Core.Bus;
using Hutch.Core.Engine;
using Hutch.Core.Memory;
using Hutch.Devices;
using Hutch.Host.Time;
using Hutch.Model.Machine;
using Xunit;

namespace Hutch.Tests.Engine;

/// <summary>
/// Our chipset, a serial port, 16 MiB, and what SeaBIOS expects of QEMU: its debug port, and the memory's size and files by its configuration ports. It stops when SeaBIOS has
/// nothing to boot.
/// </summary>
internal sealed class FirmwareMachine : IDisposable, IVcpuExits, IBusDevice, IPlatformEvents
{
    // The image is 128 KiB long and lies below 1 MiB, where the processor begins 16 bytes before its end.
    private const ulong ImageAddress = 0xe_0000, MemoryBytes = 16 << 20;
    private const ushort DebugPort = 0x402, SelectPort = 0x510;
    private const int Signature = 0, CpuCount = 5, MostCpus = 15, Directory = 0x19, FirstFile = 0x20;

    private readonly TimerQueue _timers = new(new MonotonicClock());
    private readonly IHypervisor _engine;
    private readonly GuestMemory _memory;
    private readonly IVirtualMachine _machine;
    private readonly MachineServices _services;
    private readonly IDevice _platform;
    private readonly IDevice _serial;
    private readonly ScriptedChannel _channel = new();
    private readonly StringBuilder _text = new();
    private readonly byte[][] _files;
    private readonly byte[] _directory;
    private int _selected, _position;

    /// <param name="engine">Its engine.</param>
    /// <param name="image">SeaBIOS.</param>
    /// <param name="files">What it can read by name.</param>
    internal FirmwareMachine(string engine, byte[] image, params (string Name, byte[] Content)[] files)
    {
        _files = [.. files.Select(file => file.Content)];
        _directory = DirectoryOf(files);
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
            OpenChannel = _ => _channel,
        };
        _platform = DeviceFactories.Create(new PlatformConfig("platform"), _services);
        _serial = DeviceFactories.Create(new SerialConfig("com1", 1, new CharacterBackend(CharacterBackendKind.None)), _services);
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

    internal string? Failure => _machine.Vcpus[0].Failure?.Sentence;

    /// <summary>The other end of the serial port.</summary>
    internal ScriptedChannel Serial => _channel;

    /// <summary>Runs it until it stops, meanwhile <paramref name="play"/> on the calling thread.</summary>
    internal VcpuStop Run(Action? play = null)
    {
        _platform.Start();
        _serial.Start();
        VcpuStop stop = VcpuStop.Failed;
        Thread thread = new(() =>
        {
            stop = _machine.Vcpus[0].Run(this);
            _channel.End();
        }) { IsBackground = true };
        thread.Start();
        if (play is not null)
        {
            play();
            _machine.Vcpus[0].RequestStop();
        }
        thread.Join();
        _serial.Stop();
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
        ReadOnlySpan<byte> item = _selected switch
        {
            Signature => "QEMU"u8,
            CpuCount or MostCpus => [1, 0],
            Directory => _directory,
            >= FirstFile when _selected - FirstFile < _files.Length => _files[_selected - FirstFile],
            _ => [],
        };
        data[0] = offset == 1 && _position < item.Length ? item[_position++] : (byte)0;
        return BusStatus.Handled;
    }

    public BusStatus Write(ulong offset, ReadOnlySpan<byte> data)
    {
        (_selected, _position) = (data.Length == 2 ? BitConverter.ToUInt16(data) : data[0], 0);
        return BusStatus.Handled;
    }

    // A count, and 64 bytes for each file: length, selector, a reserved word, name; numbers are big-endian.
    private static byte[] DirectoryOf((string Name, byte[] Content)[] files)
    {
        const int Bytes = 64;
        byte[] directory = new byte[4 + (Bytes * files.Length)];
        BinaryPrimitives.WriteInt32BigEndian(directory, files.Length);
        for (int index = 0; index < files.Length; index++)
        {
            Span<byte> entry = directory.AsSpan(4 + (Bytes * index), Bytes);
            BinaryPrimitives.WriteInt32BigEndian(entry, files[index].Content.Length);
            BinaryPrimitives.WriteInt16BigEndian(entry[4..], (short)(FirstFile + index));
            Encoding.ASCII.GetBytes(files[index].Name, entry[8..]);
        }
        return directory;
    }

    public void PowerOff() => _machine.Vcpus[0].RequestStop();

    public void Reset() => _machine.Vcpus[0].RequestStop();

    public void Exit(int status) => _machine.Vcpus[0].RequestStop();

    public void StorageFailed(string sentence, bool pause) { }

    public void Dispose()
    {
        _serial.Dispose();
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
