using System;
using System.Threading;
using Hutch.Core.Bus;
using Hutch.Core.Interrupts;
using Hutch.Core.State;
using Hutch.Model.Machine;

namespace Hutch.Devices.TestDevices;

/// <summary>
/// The ports and memory of QEMU's pc-testdev, which public CPU test suites use: scratch ports at 0xe0 and 0xe8, a flush port at 0xe4,
/// one port for each interrupt line at 0x2000, and 64 KiB of MMIO that reads back what was written.
/// </summary>
internal sealed class TestDevice : IDevice
{
    private const ushort ScratchPort = 0xe0, FlushPort = 0xe4, ByteScratchPort = 0xe8, LinePort = 0x2000;
    private const ulong LineCount = 24, MemoryAddress = 0xFF00_0000, MemoryLengthBytes = 0x1_0000;

    private readonly ScratchMemory _scratch = new(4), _byteScratch = new(4), _memory = new((int)MemoryLengthBytes);
    private readonly InterruptLines _lines;

    /// <summary>Creates the device and puts it on the buses. Its interrupt lines are wires of its own, shared with the devices that are there.</summary>
    public TestDevice(string name, AddressBus ports, AddressBus mmio, Func<int, InterruptLine> connect)
    {
        Name = name;
        _lines = new InterruptLines(connect);
        ports.Map(name + " scratch", ScratchPort, 4, _scratch);
        ports.Map(name + " flush", FlushPort, 4, new FlushRegister());
        ports.Map(name + " byte scratch", ByteScratchPort, 4, _byteScratch);
        ports.Map(name + " lines", LinePort, LineCount, _lines);
        mmio.Map(name + " memory", MemoryAddress, MemoryLengthBytes, _memory);
    }

    /// <inheritdoc/>
    public string Name { get; }

    /// <inheritdoc/>
    public void Start() { }

    /// <inheritdoc/>
    public void Stop() { }

    /// <inheritdoc/>
    public void Reset()
    {
        _scratch.Clear();
        _byteScratch.Clear();
        _memory.Clear();
        _lines.Clear();
    }

    /// <inheritdoc/>
    public void Exchange(StateFields fields)
    {
        _scratch.Exchange(fields, "scratch");
        _byteScratch.Exchange(fields, "byte-scratch");
        _memory.Exchange(fields, "memory");
        _lines.Exchange(fields);
    }

    /// <inheritdoc/>
    public void Dispose() { }

    private sealed class ScratchMemory(int lengthBytes) : IBusDevice
    {
        private readonly Lock _lock = new();
        private readonly byte[] _bytes = new byte[lengthBytes];

        public BusStatus Read(ulong offset, Span<byte> data)
        {
            lock (_lock) _bytes.AsSpan((int)offset, data.Length).CopyTo(data);
            return BusStatus.Handled;
        }

        public BusStatus Write(ulong offset, ReadOnlySpan<byte> data)
        {
            lock (_lock) data.CopyTo(_bytes.AsSpan((int)offset));
            return BusStatus.Handled;
        }

        public void Exchange(StateFields fields, string name)
        {
            lock (_lock) fields.Bytes(name, _bytes);
        }

        public void Clear()
        {
            lock (_lock) Array.Clear(_bytes);
        }
    }

    /// <summary>Makes a hypervisor drop its mapping of the page whose address is written; ours holds none that a guest could notice.</summary>
    private sealed class FlushRegister : IBusDevice
    {
        public BusStatus Read(ulong offset, Span<byte> data)
        {
            data.Clear();
            return BusStatus.Handled;
        }

        public BusStatus Write(ulong offset, ReadOnlySpan<byte> data) => BusStatus.Handled;
    }

    /// <summary>A byte written to port n is the level of interrupt line n.</summary>
    private sealed class InterruptLines : IBusDevice
    {
        private readonly InterruptLine[] _wires = new InterruptLine[LineCount];
        private uint _levels;

        public InterruptLines(Func<int, InterruptLine> connect)
        {
            for (int line = 0; line < _wires.Length; line++) _wires[line] = connect(line);
        }

        public BusStatus Read(ulong offset, Span<byte> data) => BusStatus.BadOffset;

        public BusStatus Write(ulong offset, ReadOnlySpan<byte> data)
        {
            if (data.Length != 1) return BusStatus.BadWidth;
            bool asserted = data[0] != 0;
            if (asserted) Interlocked.Or(ref _levels, 1u << (int)offset);
            else Interlocked.And(ref _levels, ~(1u << (int)offset));
            _wires[offset].SetLevel(asserted);
            return BusStatus.Handled;
        }

        public void Exchange(StateFields fields)
        {
            fields.Value("lines", ref _levels);
            fields.Require(_levels >> (int)LineCount == 0, "lines");
            if (fields.IsRestoring) Drive();
        }

        public void Clear()
        {
            _levels = 0;
            Drive();
        }

        private void Drive()
        {
            for (int line = 0; line < _wires.Length; line++) _wires[line].SetLevel((_levels >> line & 1) != 0);
        }
    }
}

/// <summary>Makes <see cref="TestDevice"/>.</summary>
internal sealed class TestDeviceFactory : IDeviceFactory<TestDeviceConfig>
{
    /// <inheritdoc/>
    public IDevice Create(TestDeviceConfig config, MachineServices services)
    {
        try
        {
            return new TestDevice(config.Id, services.Ports, services.Mmio, services.ConnectGsi);
        }
        catch (InvalidOperationException overlap)
        {
            throw new ConfigException($"Device '{config.Id}' needs addresses that another device has ({overlap.Message.TrimEnd('.')}); remove one of the two.", overlap);
        }
    }
}
