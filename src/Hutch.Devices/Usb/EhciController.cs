using System;
using System.Buffers.Binary;
using System.Threading;
using Hutch.Core.Bus;
using Hutch.Core.State;
using Hutch.Devices.Pci;
using static Hutch.Devices.Usb.EhciRegisters;

namespace Hutch.Devices.Usb;

/// <summary>
/// A USB 2 controller of an ICH9 (EHCI 1.0) with its three USB 1 companions, which have the ports until a driver configures this one, and those of slower devices afterwards. Transfers are
/// carried out as <see cref="UsbFrames"/> tells, and not at all while no schedule is on. All four share a lock. Locks, outermost first: the bus's configuration lock, then this one.
/// </summary>
internal sealed class EhciController : PciFunction, IBusDevice, IWordRegisters, IDevice, IUsbHost
{
    private const int RegisterBar = 0, Pin = 3, ReleaseNumber = 0x60, MicroframeNanoseconds = 125_000, ListBits = 0x3ff;
    private const ushort Release2 = 0x2020;

    private readonly PciBus _bus;
    private readonly UsbFrames _frames;
    private readonly UhciController[] _companions;
    private readonly EhciPort[] _ports = new EhciPort[PortCount];
    private readonly EhciSchedule _schedule;
    private uint _command, _status, _interrupts, _index, _periodic, _async;
    private bool _isConfigured;

    /// <summary>Makes the controller; the caller puts it on the bus, in the slot of its companions.</summary>
    /// <param name="name">Device name.</param>
    /// <param name="services">The machine, with a PCI bus.</param>
    /// <param name="companions">The companions, which it owns.</param>
    /// <param name="ports">Their ports, in their order; they have what is plugged in.</param>
    /// <param name="shared">Guards registers and devices.</param>
    internal EhciController(string name, MachineServices services, UhciController[] companions, UhciPort[] ports, Lock shared)
        : base(name, new PciIdentity(0x8086, 0x293a, 0x0c0320, Revision: 3, SubsystemVendor: 0x1af4, Subsystem: 0x1100))
    {
        (_bus, _companions, Lock) = (services.Pci!, companions, shared);
        _frames = new UsbFrames(services.Timers, name, Look);
        for (int i = 0; i < PortCount; i++) _ports[i] = new EhciPort(ports[i], this, companions[i / CompanionPorts]);
        _schedule = new EhciSchedule(services.Memory, _ports);
        AddBar(RegisterBar, PciBarKind.Memory32, BarBytes, this);
        UseInterruptPin(Pin);
        Put16(ReleaseNumber, Release2);
        _command = DefaultThreshold;
    }

    /// <inheritdoc/>
    public Lock Lock { get; }

    /// <inheritdoc/>
    string IStateUnit.Name => Name;

    private bool IsRunning => (_command & Run) != 0;

    // With all schedules off nothing happens but that the frame list comes to its end.
    private bool IsActive => IsRunning && ((_command & (PeriodicEnable | AsyncEnable)) != 0 || (_interrupts & ListRollover) != 0);

    private uint Index => IsRunning ? (uint)(_index + (_frames.Nanoseconds / MicroframeNanoseconds)) & IndexBits : _index;

    /// <inheritdoc/>
    public void Start()
    {
        foreach (UhciController companion in _companions) companion.Start();
        lock (Lock)
            if (IsActive) _frames.LookSoon();
    }

    /// <inheritdoc/>
    public void Stop()
    {
        lock (Lock) _frames.Stop();
        foreach (UhciController companion in _companions) companion.Stop();
    }

    /// <inheritdoc/>
    public void Reset()
    {
        lock (Lock) ResetController();
        _bus.ResetFunction(this);
        foreach (UhciController companion in _companions) companion.Reset();
    }

    /// <inheritdoc/>
    public void Exchange(StateFields fields)
    {
        fields.Group("pci", group => _bus.Exchange(this, group));
        lock (Lock)
        {
            fields.Value("command", ref _command);
            fields.Value("status", ref _status);
            fields.Value("interrupts", ref _interrupts);
            fields.Value("index", ref _index);
            fields.Value("periodic", ref _periodic);
            fields.Value("async", ref _async);
            fields.Value("configured", ref _isConfigured);
            fields.Require((_command & ~CommandBits) == 0 && (_status | _interrupts) <= InterruptBits && _index <= IndexBits, "command");
            _frames.Exchange(fields);
            for (int i = 0; i < PortCount; i++) fields.Group($"port{i + 1}", _ports[i].Exchange);
            UpdateLine();
        }
        // They have the devices, wherever these are now.
        for (int i = 0; i < _companions.Length; i++) fields.Group($"companion{i + 1}", _companions[i].Exchange);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _frames.Dispose();
        foreach (UhciController companion in _companions) companion.Dispose();
    }

    /// <inheritdoc/>
    public void Wake(UsbDevice device, int endpoint)
    {
        foreach (EhciPort port in _ports)
            if (port.Device?.Device == device && port.Wake()) _status |= PortChange;
        if (IsActive) _frames.LookSoon();
        UpdateLine();
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
            for (int done = 0; done < data.Length; done += 4) WriteRegister((int)offset + done - OperationalStart, BinaryPrimitives.ReadUInt32LittleEndian(data[done..]));
            UpdateLine();
        }
        return BusStatus.Handled;
    }

    /// <inheritdoc/>
    public uint ReadRegister(int register) => register >= OperationalStart ? ReadOperational(register - OperationalStart) : register switch
    {
        // Capability registers (§2.2): version and length; ports and companions, without power switches.
        0x00 => OperationalStart | (0x0100 << 16),
        0x04 => PortCount | (CompanionPorts << 8) | (CompanionCount << 12),
        _ => 0,
    };

    private uint ReadOperational(int register) => register switch
    {
        Command => _command,
        Status => _status | (IsRunning ? (_command & PeriodicEnable) * (PeriodicStatus / PeriodicEnable) | (_command & AsyncEnable) * (AsyncStatus / AsyncEnable) : Halted),
        InterruptEnable => _interrupts,
        FrameIndex => Index,
        PeriodicList => _periodic,
        AsyncList => _async,
        ConfigureFlag => _isConfigured ? 1u : 0,
        >= FirstPort and < FirstPort + (PortCount * sizeof(uint)) => _ports[(register - FirstPort) / sizeof(uint)].Read(),
        _ => 0,
    };

    private void WriteRegister(int register, uint value)
    {
        switch (register)
        {
            case Command: WriteCommand(value); break;
            case Status: _status &= ~(value & InterruptBits); break;
            case InterruptEnable:
                _interrupts = value & InterruptBits;
                if (IsActive) _frames.LookSoon();
                break;
            case FrameIndex when !IsRunning: _index = value & IndexBits; break;
            case PeriodicList: _periodic = value & ~0xfffu; break;
            case AsyncList: _async = value & ~0x1fu; break;
            case ConfigureFlag:
                _isConfigured = (value & 1) != 0;
                foreach (EhciPort port in _ports)
                    if (port.Route(toCompanion: !_isConfigured)) _status |= PortChange;
                break;
            case >= FirstPort and < FirstPort + (PortCount * sizeof(uint)):
                if (_ports[(register - FirstPort) / sizeof(uint)].Write(value, _isConfigured)) _status |= PortChange;
                break;
        }
    }

    private void WriteCommand(uint value)
    {
        if ((value & HostReset) != 0)
        {
            ResetController();
            return;
        }
        bool ran = IsRunning;
        if (ran && (value & Run) == 0) Stand();
        _command = value & CommandBits;
        if (!ran && IsRunning) _frames.Begin();
        // Nothing of a queue is kept between two looks, so that the guest may have any at once (§4.8.2).
        if (IsRunning && (value & AsyncDoorbell) != 0) _status |= AsyncAdvance;
        if (IsActive) _frames.LookSoon();
        else _frames.Stop();
    }

    private void Stand()
    {
        _index = Index;
        _command &= ~Run;
        _frames.Stop();
    }

    // The timer's: carries out the frames that have passed.
    private void Look()
    {
        lock (Lock)
        {
            if (!IsActive) return;
            ScheduleEvents events = ScheduleEvents.None;
            long last = _frames.Number;
            while ((events & ScheduleEvents.Fatal) == 0 && _frames.TryTake(last, out long frame))
            {
                ulong entry = (ulong)((_index / 8) + frame) & ListBits;
                if (entry == 0 && frame != 0) _status |= ListRollover;
                if ((_command & PeriodicEnable) != 0) events |= _schedule.WalkPeriodic(_periodic + (entry * sizeof(uint)));
            }
            if ((events & ScheduleEvents.Fatal) == 0 && (_command & AsyncEnable) != 0) events |= _schedule.WalkAsync(_async);
            if ((events & ScheduleEvents.Fatal) != 0) Stand();
            else _frames.LookAgain((events & ScheduleEvents.Progress) != 0);
            if ((events & ScheduleEvents.Complete) != 0) _status |= Interrupt;
            if ((events & ScheduleEvents.Error) != 0) _status |= ErrorInterrupt;
            if ((events & ScheduleEvents.Fatal) != 0) _status |= SystemError;
            UpdateLine();
        }
    }

    private void UpdateLine() => SetInterrupt((_status & _interrupts) != 0);

    private void ResetController()
    {
        _frames.Reset();
        (_command, _status, _interrupts, _index, _periodic, _async, _isConfigured) = (DefaultThreshold, 0, 0, 0, 0, 0, false);
        foreach (EhciPort port in _ports) port.Reset();
        UpdateLine();
    }
}
