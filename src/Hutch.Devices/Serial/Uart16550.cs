using System;
using System.Threading;
using Hutch.Core.Bus;
using Hutch.Core.Interrupts;
using Hutch.Core.State;
using Hutch.Devices.Chipset;
using Hutch.Host.Events;
using static Hutch.Devices.Serial.Uart16550Registers;

namespace Hutch.Devices.Serial;

/// <summary>
/// A 16550A UART (National Semiconductor PC16550D data sheet) with a channel on the wire. Bytes leave at once whatever the divisor says
/// (the channel gathers them, so that a character costs little), and the receiver's time-out follows at once after the last byte. The
/// channel keeps input that does not fit, so nothing overruns. The interrupt line is set while the lock is held; the channel, which may
/// wait for a slow peer, is called without it.
/// </summary>
internal sealed class Uart16550 : IByteRegisters, IDevice
{
    private static ReadOnlySpan<byte> TriggerLevels => [1, 4, 8, 14];

    private readonly Lock _lock = new();
    private readonly InterruptLine _line;
    private readonly ICharacterChannel _channel;
    private readonly ReceiveFifo _received = new();
    private byte _interruptEnable, _lineControl, _modemControl, _lineStatus, _modemStatus, _scratch;
    private byte _divisorLow, _divisorHigh;
    private bool _fifosEnabled, _transmitPending, _refusedInput, _inputStarted;
    private int _trigger = 1;

    /// <summary>Creates the UART. The channel stays its opener's and outlives it.</summary>
    public Uart16550(string name, InterruptLine line, ICharacterChannel channel)
    {
        Name = name;
        _line = line;
        _channel = channel;
        Reset();
    }

    /// <inheritdoc/>
    public string Name { get; }

    /// <summary>Puts the eight registers at <paramref name="port"/>.</summary>
    public void MapOn(AddressBus ports, ushort port) => ports.Map(Name, port, 8, new ByteWindow(this, 0));

    /// <inheritdoc/>
    public byte ReadRegister(int register)
    {
        bool resume = false;
        byte value;
        lock (_lock)
        {
            value = ReadLocked(register);
            if (_refusedInput && _received.Count == 0 && Listens)
            {
                _refusedInput = false;
                resume = true;
            }
        }
        if (resume) _channel.ResumeInput();
        return value;
    }

    /// <inheritdoc/>
    public void WriteRegister(int register, byte value)
    {
        bool resume, send;
        lock (_lock)
        {
            send = WriteLocked(register, value);
            resume = _refusedInput && _received.Room > 0 && Listens && register != Data;
            if (resume) _refusedInput = false;
        }
        if (send) _channel.Write([value]);
        if (resume) _channel.ResumeInput();
    }

    /// <inheritdoc/>
    public void Start()
    {
        if (_inputStarted) return;
        _inputStarted = true;
        _channel.StartInput(Receive);
    }

    /// <inheritdoc/>
    public void Stop() { }

    /// <inheritdoc/>
    public void Reset()
    {
        bool resume;
        lock (_lock)
        {
            _interruptEnable = _lineControl = _modemControl = 0;
            _lineStatus = LsrHoldingEmpty | LsrTransmitterEmpty;
            _modemStatus = MsrCts | MsrDsr | MsrDcd;
            _fifosEnabled = _transmitPending = false;
            _trigger = 1;
            _received.Capacity = 1;
            _received.Clear();
            resume = _refusedInput;
            _refusedInput = false;
            UpdateLine();
        }
        if (resume) _channel.ResumeInput();
    }

    /// <inheritdoc/>
    public void Exchange(StateFields fields)
    {
        lock (_lock)
        {
            fields.Value("ier", ref _interruptEnable);
            fields.Value("lcr", ref _lineControl);
            fields.Value("mcr", ref _modemControl);
            fields.Value("lsr", ref _lineStatus);
            fields.Value("msr", ref _modemStatus);
            fields.Value("scratch", ref _scratch);
            fields.Value("divisor-low", ref _divisorLow);
            fields.Value("divisor-high", ref _divisorHigh);
            fields.Value("fifos", ref _fifosEnabled);
            fields.Value("transmit-pending", ref _transmitPending);
            fields.Value("trigger", ref _trigger, 1, 14);
            fields.Group("received", _received.Exchange);
            UpdateLine();
        }
    }

    /// <inheritdoc/>
    public void Dispose() { }

    private byte ReadLocked(int register)
    {
        byte value;
        switch (register)
        {
            case Data:
                if ((_lineControl & LcrDivisorLatch) != 0) return _divisorLow;
                value = _received.Take();
                if (_received.Count == 0) _lineStatus &= unchecked((byte)~LsrDataReady);
                break;
            case InterruptEnable:
                return (_lineControl & LcrDivisorLatch) != 0 ? _divisorHigh : _interruptEnable;
            case InterruptIdentity:
                value = Identify();
                // Reading IIR resets the transmitter's interrupt where that is the one it names (§8.6, table IV).
                if (value == IirTransmit) _transmitPending = false;
                value |= _fifosEnabled ? IirFifosEnabled : (byte)0;
                break;
            case LineControl: return _lineControl;
            case ModemControl: return _modemControl;
            case LineStatus:
                value = _lineStatus;
                _lineStatus &= unchecked((byte)~LsrErrors);
                break;
            case ModemStatus:
                value = _modemStatus;
                _modemStatus &= unchecked((byte)~MsrDeltas);
                break;
            default: return _scratch;
        }
        UpdateLine();
        return value;
    }

    /// <summary>Returns true where the byte goes out on the wire.</summary>
    private bool WriteLocked(int register, byte value)
    {
        bool send = false;
        switch (register)
        {
            case Data:
                if ((_lineControl & LcrDivisorLatch) != 0) _divisorLow = value;
                else send = Transmit(value);
                break;
            case InterruptEnable:
                if ((_lineControl & LcrDivisorLatch) != 0) _divisorHigh = value;
                else WriteInterruptEnable(value);
                break;
            case InterruptIdentity: WriteFifoControl(value); break;
            case LineControl: _lineControl = value; break;
            case ModemControl: WriteModemControl(value); break;
            case Scratch: _scratch = value; break;
        }
        UpdateLine();
        return send;
    }

    private bool Transmit(byte value)
    {
        // The holding register is full for a moment: the wire falls, so that the next interrupt is an edge.
        _transmitPending = false;
        UpdateLine();
        bool loops = (_modemControl & McrLoop) != 0;
        if (loops) ReceiveLooped(value);
        _transmitPending = true;
        return !loops;
    }

    private void ReceiveLooped(byte value)
    {
        if (_received.Room == 0)
        {
            _lineStatus |= LsrOverrun;
            return;
        }
        _received.Add(value);
        _lineStatus |= LsrDataReady;
    }

    private void WriteInterruptEnable(byte value)
    {
        byte old = _interruptEnable;
        _interruptEnable = (byte)(value & 0x0f);
        // Enabling the transmitter's interrupt while it is empty, as it always is here, raises it (§8.7; Linux relies on it to start output).
        if ((old & IerTransmit) == 0 && (_interruptEnable & IerTransmit) != 0) _transmitPending = true;
    }

    private void WriteFifoControl(byte value)
    {
        bool enable = (value & FcrEnable) != 0;
        // Changing the mode clears the FIFOs; the other bits count only while FCR0 is written as one (§8.5).
        bool clear = enable != _fifosEnabled || (enable && (value & FcrClearReceive) != 0);
        _fifosEnabled = enable;
        _received.Capacity = enable ? 16 : 1;
        _trigger = enable ? TriggerLevels[value >> 6] : 1;
        if (!clear) return;
        _received.Clear();
        _lineStatus &= unchecked((byte)~LsrDataReady);
    }

    private void WriteModemControl(byte value)
    {
        _modemControl = (byte)(value & McrMask);
        int lines = MsrCts | MsrDsr | MsrDcd;
        if ((_modemControl & McrLoop) != 0)
        {
            // Loopback connects RTS to CTS, DTR to DSR, OUT1 to RI and OUT2 to DCD (§8.8).
            lines = ((value & McrRts) != 0 ? MsrCts : 0) | ((value & McrDtr) != 0 ? MsrDsr : 0)
                | ((value & McrOut1) != 0 ? MsrRing : 0) | ((value & McrOut2) != 0 ? MsrDcd : 0);
        }
        int changed = lines ^ (_modemStatus & 0xf0), deltas = changed >> 4;
        // The ring indicator's delta is its trailing edge only (§8.9, TERI).
        if ((lines & MsrRing) != 0) deltas &= ~MsrDeltaRing;
        _modemStatus = (byte)(lines | (_modemStatus & MsrDeltas) | deltas);
    }

    private byte Identify()
    {
        if ((_interruptEnable & IerLineStatus) != 0 && (_lineStatus & LsrErrors) != 0) return IirLineStatus;
        if ((_interruptEnable & IerReceive) != 0 && _received.Count > 0)
            return _received.Count >= _trigger ? IirReceive : IirTimeout;
        if ((_interruptEnable & IerTransmit) != 0 && _transmitPending) return IirTransmit;
        if ((_interruptEnable & IerModemStatus) != 0 && (_modemStatus & MsrDeltas) != 0) return IirModem;
        return IirNone;
    }

    // The other side sends only while RTS asks for it: what is piped in before the guest's driver has opened the port waits instead of
    // being lost when the driver clears the FIFO.
    private bool Listens => (_modemControl & (McrLoop | McrRts)) == McrRts;

    private void UpdateLine() => _line.SetLevel(Identify() != IirNone);

    private int Receive(ReadOnlySpan<byte> data)
    {
        lock (_lock)
        {
            int taken = !Listens ? 0 : Math.Min(data.Length, _received.Room);
            for (int i = 0; i < taken; i++) _received.Add(data[i]);
            if (taken > 0) _lineStatus |= LsrDataReady;
            if (taken < data.Length) _refusedInput = true;
            UpdateLine();
            return taken;
        }
    }
}
