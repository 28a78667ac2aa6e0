using System;
using System.Threading;
using Hutch.Core.Bus;
using Hutch.Core.Memory;
using Hutch.Core.State;
using Hutch.Devices.Pci;

namespace Hutch.Devices.Display;

/// <summary>
/// A display adapter as QEMU's standard VGA (QEMU docs/specs/standard-vga): memory in BAR 0 that the guest uses at full speed, registers in BAR 2 and at VGA's ports, the window below
/// 1 MiB, and the video BIOS in the ROM BAR. Locks, outermost first: the bus's configuration lock, then this one.
/// </summary>
internal sealed class VgaCard : PciFunction, IDevice, IScreen
{
    private const int MemoryBar = 0, RegisterBar = 2, BootWidth = 1024, BootHeight = 768;
    private const ulong WindowSegments = (1UL << (int)((VgaWindow.Start + VgaWindow.LengthBytes) / MemoryLayout.SegmentBytes)) - (1UL << (int)(VgaWindow.Start / MemoryLayout.SegmentBytes));

    private readonly PciBus _bus;
    private readonly Lock _lock = new();
    private readonly DeviceMemory _memory;
    private readonly VgaRegisters _registers = new();
    private readonly DispiRegisters _dispi;
    private readonly VgaWindow _window;
    private readonly VgaPicture _picture;
    private bool _ended;

    /// <summary>Puts the card into the machine.</summary>
    /// <param name="name">Device name.</param>
    /// <param name="services">The machine.</param>
    /// <param name="memoryBytes">Its memory, a power of two.</param>
    /// <param name="rom">The video BIOS; null: none.</param>
    internal VgaCard(string name, MachineServices services, int memoryBytes, OptionRom? rom)
        : base(name, new PciIdentity(0x1234, 0x1111, 0x030000, Revision: 2, SubsystemVendor: 0x1af4, Subsystem: 0x1100))
    {
        _bus = services.Pci ?? throw new ConfigException($"The display '{name}' needs a PCI bus; list the platform before it.");
        MemoryLayout layout = services.Memory.Layout;
        _memory = layout.AddDeviceMemory(name, (ulong)memoryBytes);
        _dispi = new DispiRegisters(memoryBytes);
        _window = new VgaWindow(_memory, _registers, _dispi);
        _picture = new VgaPicture(_memory, _registers, _dispi);
        AddBar(MemoryBar, PciBarKind.Memory32, (ulong)memoryBytes, new MemoryAccess(_memory), isPrefetchable: true);
        AddBar(RegisterBar, PciBarKind.Memory32, RegisterPage.LengthBytes, new RegisterPage(this));
        if (rom is not null) UseRom(rom);
        _ = _bus.Add(this);
        services.Ports.Map($"{name} ports", VgaRegisters.FirstPort, VgaRegisters.PortCount, new PortAccess(this));
        services.Ports.Map($"{name} dispi", DispiPorts.FirstPort, DispiPorts.PortCount, new DispiPorts(this));
        services.Mmio.Map($"{name} window", VgaWindow.Start, VgaWindow.LengthBytes, new WindowAccess(this));
        layout.HideSegments(layout.HiddenSegments | WindowSegments);
        // What firmware and kernels without a driver show is seen before there is anything else.
        services.Screens.Insert(0, this);
        ResetCard();
    }

    string IStateUnit.Name => Name;

    string IScreen.Name => Name;

    /// <inheritdoc/>
    public bool IsDriven => false;

    /// <inheritdoc/>
    public void Draw(ScreenFrame frame)
    {
        // Viewers may be there longer than the machine's memory.
        lock (_lock) _picture.Draw(frame, isOff: _ended);
    }

    /// <inheritdoc/>
    public bool AskForSize(int width, int height) => false;

    /// <inheritdoc/>
    public LinearMode? SetBootMode()
    {
        if (_memory.Start is not ulong place) return null;
        lock (_lock)
        {
            _dispi.SetLinear(BootWidth, BootHeight);
            return new LinearMode(place, _dispi.Width, _dispi.Height);
        }
    }

    /// <inheritdoc/>
    public void Start() { }

    /// <inheritdoc/>
    public void Stop() { }

    /// <inheritdoc/>
    public void Reset()
    {
        ResetCard();
        _bus.ResetFunction(this);
    }

    /// <inheritdoc/>
    public void Exchange(StateFields fields)
    {
        fields.Group("pci", group => _bus.Exchange(this, group));
        lock (_lock)
        {
            fields.Group("vga", _registers.Exchange);
            fields.Group("dispi", _dispi.Exchange);
            _window.Exchange(fields);
            MemoryPages.Exchange(fields, _memory);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (_lock) _ended = true;
    }

    /// <inheritdoc/>
    private protected override void OnMoved(PciBar bar, BusRegion region)
    {
        if (bar.Index == MemoryBar) _memory.Place(region.IsMapped ? region.Start : null);
    }

    /// <summary>Reads a VGA port.</summary>
    internal byte ReadVga(int port)
    {
        lock (_lock) return _registers.Read(port);
    }

    /// <summary>Writes a VGA port.</summary>
    internal void WriteVga(int port, byte value)
    {
        lock (_lock) _registers.Write(port, value, _dispi.HasEightBitDac);
    }

    /// <summary>Reads a register of the display interface; null: the one that the index names.</summary>
    internal ushort ReadDispi(int? index)
    {
        lock (_lock) return _dispi.Read(index ?? _dispi.Index);
    }

    /// <summary>Writes one.</summary>
    internal void WriteDispi(int? index, ushort value)
    {
        lock (_lock)
            if (_dispi.Write(index ?? _dispi.Index, value)) _memory.Clear();
    }

    /// <summary>The index of the display interface.</summary>
    internal ushort DispiIndex
    {
        get
        {
            lock (_lock) return _dispi.Index;
        }
        set
        {
            lock (_lock) _dispi.Index = value;
        }
    }

    private void ResetCard()
    {
        lock (_lock)
        {
            _registers.Reset();
            _dispi.Reset();
            _window.Reset();
            _memory.Clear();
        }
    }

    // Accesses that reach the bus although the engines serve the memory: in the moment in which it moves.
    private sealed class MemoryAccess(DeviceMemory memory) : IBusDevice
    {
        public BusStatus Read(ulong offset, Span<byte> data)
        {
            memory.Read(offset, data);
            return BusStatus.Handled;
        }

        public BusStatus Write(ulong offset, ReadOnlySpan<byte> data)
        {
            memory.Write(offset, data);
            return BusStatus.Handled;
        }
    }

    private sealed class WindowAccess(VgaCard card) : IBusDevice
    {
        public BusStatus Read(ulong offset, Span<byte> data)
        {
            lock (card._lock)
                for (int i = 0; i < data.Length; i++) data[i] = card._window.Read((int)offset + i);
            return BusStatus.Handled;
        }

        public BusStatus Write(ulong offset, ReadOnlySpan<byte> data)
        {
            lock (card._lock)
                for (int i = 0; i < data.Length; i++) card._window.Write((int)offset + i, data[i]);
            return BusStatus.Handled;
        }
    }

    private sealed class PortAccess(VgaCard card) : IBusDevice
    {
        public BusStatus Read(ulong offset, Span<byte> data)
        {
            for (int i = 0; i < data.Length; i++) data[i] = card.ReadVga(VgaRegisters.FirstPort + (int)offset + i);
            return BusStatus.Handled;
        }

        public BusStatus Write(ulong offset, ReadOnlySpan<byte> data)
        {
            for (int i = 0; i < data.Length; i++) card.WriteVga(VgaRegisters.FirstPort + (int)offset + i, data[i]);
            return BusStatus.Handled;
        }
    }
}
