using System;
using System.Threading;
using Hutch.Core.Bus;
using Hutch.Core.State;
using Hutch.Devices.Pci;
using static Hutch.Devices.Usb.UhciRegisters;

namespace Hutch.Devices.Usb;

/// <summary>
/// A USB 1 controller (UHCI Design Guide 1.1) with two ports. The frame number is the clock's, and the timer of <see cref="UsbFrames"/> carries out the frames that have passed; a device that
/// has something to say brings it forward. Registers are served under the same lock. Locks, outermost first: the bus's configuration lock, then this one.
/// </summary>
internal sealed class UhciController : PciFunction, IBusDevice, IDevice, IUsbHost
{
    private const int RegisterBar = 4, ReleaseNumber = 0x60, LegacySupport = 0xc0, PortBytes = 2;
    private const byte Release1 = 0x10;

    // LEGSUP: what can be written, and that the interrupt pin is the controller's, as after a reset (§5.2.1).
    private const ushort LegacyWritable = 0x20bf, PinEnabled = 0x2000;

    private readonly PciBus _bus;
    private readonly UsbFrames _frames;
    private readonly UhciPort[] _ports;
    private readonly UhciSchedule _schedule;
    private ushort _command, _status, _interrupts, _frame;
    private byte _frameLength;
    private uint _list;
    private ScheduleEvents _causes;
    private volatile bool _isPinEnabled = true;

    /// <summary>Makes the controller; the caller puts it on the bus.</summary>
    /// <param name="name">Device name.</param>
    /// <param name="services">The machine, with a PCI bus.</param>
    /// <param name="device">PCI device number of Intel's.</param>
    /// <param name="pin">Interrupt pin, 0 to 3.</param>
    /// <param name="ports">The ports, with what is plugged in.</param>
    /// <param name="shared">Guards registers and devices.</param>
    internal UhciController(string name, MachineServices services, ushort device, int pin, UhciPort[] ports, Lock shared)
        : base(name, new PciIdentity(0x8086, device, 0x0c0300, Revision: 1, SubsystemVendor: 0x1af4, Subsystem: 0x1100))
    {
        (_bus, _ports, Lock) = (services.Pci!, ports, shared);
        _frames = new UsbFrames(services.Timers, name, Look);
        _schedule = new UhciSchedule(services.Memory, ports);
        AddBar(RegisterBar, PciBarKind.Io, BarBytes, this);
        UseInterruptPin(pin);
        Put16(ReleaseNumber, Release1);
        Put16(LegacySupport, PinEnabled);
        for (int i = 0; i < sizeof(ushort); i++) MakeWritable(LegacySupport + i, (byte)(LegacyWritable >> (8 * i)));
        Clear();
    }

    /// <inheritdoc/>
    public Lock Lock { get; }

    /// <inheritdoc/>
    string IStateUnit.Name => Name;

    private bool IsRunning => (_command & Run) != 0;

    // While it runs, _frame is the number of the first frame.
    private ushort Frame => IsRunning ? (ushort)((_frame + _frames.Number) & FrameBits) : _frame;

    /// <inheritdoc/>
    public void Start()
    {
        lock (Lock)
        {
            foreach (UhciPort port in _ports) port.Device?.Device.SetRunning(true);
            if (IsRunning) _frames.LookSoon();
        }
    }

    /// <inheritdoc/>
    public void Stop()
    {
        lock (Lock)
        {
            _frames.Stop();
            foreach (UhciPort port in _ports) port.Device?.Device.SetRunning(false);
        }
    }

    /// <inheritdoc/>
    public void Reset()
    {
        lock (Lock) ResetController();
        _bus.ResetFunction(this);
    }

    /// <inheritdoc/>
    public void Exchange(StateFields fields)
    {
        fields.Group("pci", group => _bus.Exchange(this, group));
        lock (Lock)
        {
            int causes = (int)_causes;
            fields.Value("command", ref _command);
            fields.Value("status", ref _status);
            fields.Value("interrupts", ref _interrupts);
            fields.Value("frame", ref _frame);
            fields.Value("list", ref _list);
            fields.Value("frame-length", ref _frameLength);
            fields.Value("causes", ref causes, 0, (int)(ScheduleEvents.Complete | ScheduleEvents.Short));
            _frames.Exchange(fields);
            fields.Require(_command <= CommandBits && _status <= (StatusClear | Halted) && _interrupts <= InterruptBits && _frame <= FrameBits, "command");
            _causes = (ScheduleEvents)causes & (ScheduleEvents.Complete | ScheduleEvents.Short);
            for (int i = 0; i < _ports.Length; i++) fields.Group($"port{i + 1}", _ports[i].Exchange);
            UpdateLine();
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _frames.Dispose();
        foreach (UhciPort port in _ports)
            if (port.Device is { } device) device.Device.Host = null;
    }

    /// <inheritdoc/>
    public void Wake(UsbDevice device, int endpoint)
    {
        foreach (UhciPort port in _ports)
            if (port.Device?.Device == device) port.Wake();
        if (IsRunning) _frames.LookSoon();
        else Resume();
    }

    /// <inheritdoc/>
    public BusStatus Read(ulong offset, Span<byte> data)
    {
        lock (Lock)
            for (int i = 0; i < data.Length; i++)
            {
                int register = (int)offset + i;
                data[i] = (byte)(ReadRegister(register & ~1) >> (8 * (register & 1)));
            }
        return BusStatus.Handled;
    }

    /// <inheritdoc/>
    public BusStatus Write(ulong offset, ReadOnlySpan<byte> data)
    {
        lock (Lock)
        {
            for (int i = 0; i < data.Length;)
            {
                int register = (int)offset + i;
                if ((register & 1) == 0 && i + 1 < data.Length) WriteRegister(register, (ushort)(data[i] | (data[i + 1] << 8)), 0xffff);
                else WriteRegister(register & ~1, (ushort)(data[i] << (8 * (register & 1))), (ushort)(0xff << (8 * (register & 1))));
                i += (register & 1) == 0 ? 2 : 1;
            }
            UpdateLine();
        }
        return BusStatus.Handled;
    }

    /// <inheritdoc/>
    internal override void OnConfigChanged()
    {
        _isPinEnabled = (Get16(LegacySupport) & PinEnabled) != 0;
        lock (Lock) UpdateLine();
    }

    private ushort ReadRegister(int register) => register switch
    {
        Command => _command,
        Status => _status,
        InterruptEnable => _interrupts,
        FrameNumber => Frame,
        ListLow => (ushort)_list,
        ListHigh => (ushort)(_list >> 16),
        StartOfFrame => _frameLength,
        >= FirstPort when (register - FirstPort) / PortBytes < _ports.Length => _ports[(register - FirstPort) / PortBytes].Read(),
        _ => 0,
    };

    // What is not in the mask was not written.
    private void WriteRegister(int register, ushort value, ushort mask)
    {
        ushort merged = (ushort)((ReadRegister(register) & ~mask) | (value & mask));
        switch (register)
        {
            case Command: WriteCommand((ushort)(merged & CommandBits)); break;
            case Status:
                _status &= (ushort)~(value & mask & StatusClear);
                if ((_status & Interrupt) == 0) _causes = ScheduleEvents.None;
                break;
            case InterruptEnable: _interrupts = (ushort)(merged & InterruptBits); break;
            case FrameNumber when !IsRunning: _frame = (ushort)(merged & FrameBits); break;
            case ListLow: _list = (_list & 0xffff0000) | (merged & 0xf000u); break;
            case ListHigh: _list = (ushort)_list | ((uint)merged << 16); break;
            case StartOfFrame: _frameLength = (byte)(merged & 0x7f); break;
            case >= FirstPort when (register - FirstPort) / PortBytes < _ports.Length:
                // A half that was not written takes no change away.
                merged &= (ushort)(~PortChanges | (value & mask));
                _ports[(register - FirstPort) / PortBytes].Write(merged);
                break;
        }
    }

    private void WriteCommand(ushort value)
    {
        if ((value & HostReset) != 0 || (value & ~_command & GlobalReset) != 0)
        {
            ResetController();
            // The signal of a global reset lasts until the guest ends it (§2.1.1).
            _command = (ushort)(value & GlobalReset);
            return;
        }
        bool ran = IsRunning;
        if (ran && (value & Run) == 0) Halt();
        _command = value;
        if (ran || !IsRunning) return;
        _status &= unchecked((ushort)~Halted);
        _frames.Begin();
    }

    private void Halt()
    {
        _frame = Frame;
        _command &= unchecked((ushort)~Run);
        _status |= Halted;
        _frames.Stop();
    }

    // The timer's: carries out the frames that have passed.
    private void Look()
    {
        lock (Lock)
        {
            if (!IsRunning) return;
            ScheduleEvents events = ScheduleEvents.None;
            long last = _frames.Number;
            while ((events & ScheduleEvents.Fatal) == 0 && _frames.TryTake(last, out long frame)) events |= _schedule.Walk(_list + (((ulong)(_frame + frame) & ListBits) * sizeof(uint)));
            if ((events & ScheduleEvents.Fatal) != 0) Halt();
            else _frames.LookAgain((events & ScheduleEvents.Progress) != 0);
            Tell(events);
        }
    }

    private void Tell(ScheduleEvents events)
    {
        _causes |= events & (ScheduleEvents.Complete | ScheduleEvents.Short);
        if (_causes != 0) _status |= Interrupt;
        if ((events & ScheduleEvents.Error) != 0) _status |= ErrorInterrupt;
        if ((events & ScheduleEvents.SystemError) != 0) _status |= SystemError;
        if ((events & ScheduleEvents.ProcessError) != 0) _status |= ProcessError;
        UpdateLine();
    }

    /// <summary>A bus that sleeps is woken, by a device or because one came or went (§2.1.2, Resume Detect).</summary>
    internal void Resume()
    {
        if ((_command & GlobalSuspend) == 0) return;
        _command |= ForceResume;
        _status |= ResumeDetect;
        UpdateLine();
    }

    private void UpdateLine()
    {
        bool isAsserted = ((_causes & ScheduleEvents.Complete) != 0 && (_interrupts & OnComplete) != 0) || ((_causes & ScheduleEvents.Short) != 0 && (_interrupts & OnShort) != 0)
            || ((_status & ErrorInterrupt) != 0 && (_interrupts & OnError) != 0) || ((_status & ResumeDetect) != 0 && (_interrupts & OnResume) != 0)
            || (_status & (SystemError | ProcessError)) != 0;
        SetInterrupt(isAsserted && _isPinEnabled);
    }

    private void ResetController()
    {
        Clear();
        UpdateLine();
    }

    private void Clear()
    {
        _frames.Reset();
        (_command, _status, _interrupts, _frame, _list, _causes, _frameLength) = (0, Halted, 0, 0, 0, ScheduleEvents.None, DefaultFrameLength);
        foreach (UhciPort port in _ports) port.Reset();
    }
}
