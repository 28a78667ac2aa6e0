using System;
using System.Buffers.Binary;
using System.Threading;
using Hutch.Core.Bus;
using Hutch.Core.State;
using Hutch.Devices.Pci;
using Hutch.Host.Time;
using static Hutch.Devices.Usb.XhciRegisters;

namespace Hutch.Devices.Usb;

/// <summary>
/// A USB controller (xHCI 1.2, as a controller of version 1.0) with four ports for USB 2 and four for USB 3, without hubs, streams and isochronous transfers. Registers are served, and
/// transfers carried out, under one lock by whoever rings a doorbell or has something for a device. Locks, outermost first: the bus's configuration lock, then this one.
/// </summary>
internal sealed class XhciController : PciFunction, IBusDevice, IWordRegisters, IDevice, IUsbHost
{
    private const int RegisterBar = 0, MsixBar = 2, SerialBusRelease = 0x60, FrameAdjustment = 0x61;
    private const long MicroframeNanoseconds = 125_000;

    private readonly PciBus _bus;
    private readonly IClock _clock;
    private readonly Msix _msix;
    private readonly XhciEvents _events;
    private readonly XhciPort[] _ports = new XhciPort[PortCount];
    private readonly XhciSlot[] _slots = new XhciSlot[SlotCount];
    private readonly XhciCommands _commands;
    private uint _command, _status, _notifications, _configure;

    /// <summary>Puts the controller into the machine.</summary>
    /// <param name="name">Device name.</param>
    /// <param name="services">The machine.</param>
    /// <param name="devices">What is plugged into the USB 2 ports, from the first.</param>
    internal XhciController(string name, MachineServices services, UsbDevice[] devices)
        : base(name, new PciIdentity(0x1b36, 0x000d, 0x0c0330, Revision: 1, SubsystemVendor: 0x1af4, Subsystem: 0x1100))
    {
        _bus = services.Pci ?? throw new ConfigException($"Device \"{name}\" needs a PCI bus; list the platform before it.");
        _clock = services.Timers.Clock;
        _events = new XhciEvents(services.Memory, Interrupt, Fail);
        for (int i = 0; i < PortCount; i++) _ports[i] = new XhciPort(i + 1, i < devices.Length ? devices[i] : null);
        for (int i = 0; i < SlotCount; i++) _slots[i] = new XhciSlot(i + 1, services.Memory, _ports, _events);
        _commands = new XhciCommands(services.Memory, _slots, _events);
        AddBar(RegisterBar, PciBarKind.Memory64, BarBytes, this);
        _msix = UseMsix(1, MsixBar, services.Interrupts);
        UseInterruptPin();
        Put16(SerialBusRelease, 0x30 | (0x20 << (8 * (FrameAdjustment - SerialBusRelease))));
        _ = _bus.Add(this);
        foreach (UsbDevice device in devices) (device.Host, device.Speed) = (this, device.Fastest);
        ResetController();
    }

    /// <inheritdoc/>
    public Lock Lock { get; } = new();

    /// <inheritdoc/>
    string IStateUnit.Name => Name;

    /// <inheritdoc/>
    public void Start() => SetRunning(true);

    /// <inheritdoc/>
    public void Stop() => SetRunning(false);

    /// <inheritdoc/>
    public void Reset()
    {
        lock (Lock) ResetController();
        _msix.Reset();
        _bus.ResetFunction(this);
    }

    /// <inheritdoc/>
    public void Exchange(StateFields fields)
    {
        fields.Group("pci", group => _bus.Exchange(this, group));
        fields.Group("msix", _msix.Exchange);
        lock (Lock)
        {
            fields.Value("command", ref _command);
            fields.Value("status", ref _status);
            fields.Value("notifications", ref _notifications);
            fields.Value("configure", ref _configure);
            fields.Group("events", _events.Exchange);
            foreach (XhciPort port in _ports) fields.Group($"port{port.Number}", port.Exchange);
            fields.Group("commands", _commands.Exchange);
            UpdateLine();
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (XhciPort port in _ports)
            if (port.Device is { } device) device.Host = null;
    }

    /// <inheritdoc/>
    public void Wake(UsbDevice device, int endpoint)
    {
        if (!IsRunning) return;
        foreach (XhciSlot slot in _slots)
            if (slot.Device == device) slot.Endpoint((2 * endpoint) + 1).Work();
    }

    /// <inheritdoc/>
    public BusStatus Read(ulong offset, Span<byte> data)
    {
        lock (Lock) return WordRegisters.Read(this, offset, data);
    }

    /// <inheritdoc/>
    public BusStatus Write(ulong offset, ReadOnlySpan<byte> data)
    {
        if (data.Length is not (4 or 8) || offset % 4 != 0) return BusStatus.BadWidth;
        lock (Lock)
        {
            for (int done = 0; done < data.Length; done += 4) WriteRegister((int)offset + done, BinaryPrimitives.ReadUInt32LittleEndian(data[done..]));
            UpdateLine();
        }
        return BusStatus.Handled;
    }

    /// <inheritdoc/>
    private protected override void OnMsixControl()
    {
        lock (Lock) UpdateLine();
    }

    private bool IsRunning => (_command & Run) != 0 && (_status & ControllerError) == 0;

    /// <inheritdoc/>
    public uint ReadRegister(int register) => register switch
    {
        >= DoorbellStart => 0,
        RuntimeStart => IsRunning ? (uint)(_clock.MonotonicNanoseconds / MicroframeNanoseconds) & 0x3fff : 0,
        >= RuntimeStart => _events.Read(register - RuntimeStart),
        >= PortStart => register < PortStart + (PortCount * PortBytes) ? _ports[(register - PortStart) / PortBytes].Read(register % PortBytes) : 0,
        >= OperationalStart => ReadOperational(register - OperationalStart),
        _ => Capability(register),
    };

    // Capability registers (xHCI 1.2 §5.3) and which ports are for which USB (§7.2).
    private static uint Capability(int register) => register switch
    {
        0x00 => OperationalStart | (0x0100 << 16),
        0x04 => SlotCount | (1 << 8) | (PortCount << 24),
        0x08 => 0xf,
        0x10 => 1 | ((0x20 / 4) << 16),
        0x14 => DoorbellStart,
        0x18 => RuntimeStart,
        0x20 => 0x02000002 | ((0x10 / 4) << 8),
        0x24 or 0x34 => 0x20425355,
        0x28 => 1 | (Usb2Ports << 8),
        0x30 => 0x03000002,
        0x38 => (1 + Usb2Ports) | (Usb3Ports << 8),
        _ => 0,
    };

    private uint ReadOperational(int register) => register switch
    {
        Command => _command,
        Status => _status,
        PageSize => 1,
        NotificationControl => _notifications,
        CommandRing => _commands.Control,
        ContextArray => (uint)_commands.ContextArray,
        ContextArray + 4 => (uint)(_commands.ContextArray >> 32),
        Configure => _configure,
        _ => 0,
    };

    private void WriteRegister(int register, uint value)
    {
        switch (register)
        {
            case >= DoorbellStart: RingDoorbell((register - DoorbellStart) / 4, (int)(value & 0xff)); break;
            case >= RuntimeStart: _events.Write(register - RuntimeStart, value); break;
            case >= PortStart and < PortStart + (PortCount * PortBytes):
                XhciPort port = _ports[(register - PortStart) / PortBytes];
                if (port.Write(register % PortBytes, value)) Announce(port);
                break;
            case >= OperationalStart: WriteOperational(register - OperationalStart, value); break;
        }
    }

    private void WriteOperational(int register, uint value)
    {
        switch (register)
        {
            case Command: WriteCommand(value); break;
            case Status: _status &= ~(value & StatusClear); break;
            case NotificationControl: _notifications = value & 0xffff; break;
            case CommandRing: _commands.WriteLow(value); break;
            case CommandRing + 4: _commands.WriteHigh(value); break;
            case ContextArray: _commands.ContextArray = (_commands.ContextArray & ~0xfffffffful) | (value & ~0x3fu); break;
            case ContextArray + 4: _commands.ContextArray = (uint)_commands.ContextArray | ((ulong)value << 32); break;
            case Configure: _configure = value & 0xff; break;
        }
    }

    private void WriteCommand(uint value)
    {
        if ((value & HostReset) != 0)
        {
            ResetController();
            return;
        }
        uint before = _command;
        _command = value & CommandBits;
        // Nothing is kept over a sleep: the guest sets the controller up anew.
        if ((value & RestoreState) != 0) _status |= SaveRestoreError;
        if ((value & SaveState) != 0) _status &= ~SaveRestoreError;
        if ((_command & Run) == 0)
        {
            _status |= Halted;
            _commands.Stop();
        }
        else if ((before & Run) == 0)
        {
            _status &= ~Halted;
            foreach (XhciPort port in _ports)
                if (port.HasChange) Announce(port);
        }
    }

    private void RingDoorbell(int slot, int target)
    {
        if (!IsRunning) return;
        if (slot == 0)
        {
            if (target == 0) _commands.Work();
        }
        else if (slot <= SlotCount && target is > 0 and < XhciSlot.EndpointCount) _slots[slot - 1].Endpoint(target).Ring();
    }

    private void Announce(XhciPort port)
    {
        _status |= PortChange;
        if (IsRunning) _events.Post(TrbType.PortStatusChange, (ulong)port.Number << 24, (uint)CompletionCode.Success << 24, 0);
    }

    private void Interrupt()
    {
        _status |= EventInterrupt;
        if (_events.IsAsserted && (_command & InterrupterEnable) != 0 && _msix.IsEnabled)
        {
            _events.Sent();
            _msix.Signal(0);
        }
        UpdateLine();
    }

    private void UpdateLine() => SetInterrupt(!_msix.IsEnabled && _events.IsAsserted && (_command & InterrupterEnable) != 0);

    // What the guest gave it is not memory: it stops until it is reset (xHCI 1.2 §4.24.1).
    private void Fail()
    {
        _status |= ControllerError | Halted;
        _command &= ~Run;
    }

    private void ResetController()
    {
        (_command, _status, _notifications, _configure) = (0, Halted, 0, 0);
        _events.Reset();
        _commands.Reset();
        foreach (XhciPort port in _ports)
        {
            port.Device?.Reset();
            port.Reset();
        }
        UpdateLine();
    }

    private void SetRunning(bool running)
    {
        lock (Lock)
            foreach (XhciPort port in _ports) port.Device?.SetRunning(running);
    }
}
