using System.Threading;
using Hutch.Core.Bus;
using Hutch.Core.Interrupts;
using Hutch.Core.State;
using Hutch.Devices.Input;

namespace Hutch.Devices.Chipset;

/// <summary>
/// The keyboard controller (Intel 8042 with the PC/AT program; IBM PS/2 technical reference, "Keyboard and Auxiliary Device Controller")
/// with a keyboard and a mouse, or with nothing plugged in: reset, A20, self test, the command byte, and the bytes of both cables. A byte sent to an absent
/// keyboard answers with the time-out status at once, so that a guest that looks for one is done quickly. The interrupt of a byte is the level of its line until the
/// guest has read it.
/// </summary>
internal sealed class I8042(A20Gate a20, InterruptLine line, IPlatformEvents platform, InterruptLine mouseLine = default) : IByteRegisters, IStateUnit
{
    private const byte OutputFull = 0x01, SystemFlag = 0x04, CommandLast = 0x08, NotInhibited = 0x10, FromMouse = 0x20, TimeOut = 0x40;
    private const byte KeyboardInterrupt = 0x01, MouseInterrupt = 0x02, KeyboardDisabled = 0x10, AuxiliaryDisabled = 0x20, Translating = 0x40;
    private const byte NotReset = 0x01, A20Line = 0x02, Resend = 0xfe;

    // What the firmware of a PC leaves, for a kernel that is loaded without one.
    private const byte PluggedCommandByte = KeyboardInterrupt | MouseInterrupt | SystemFlag | Translating;

    private readonly byte[] _ram = new byte[32];
    private byte _status = SystemFlag | NotInhibited, _output, _commandByte = KeyboardDisabled | AuxiliaryDisabled | SystemFlag, _awaiting;
    private byte _reply;
    private bool _hasReply, _replyFromMouse, _released;
    private bool _level, _mouseLevel;
    private Ps2Device? _keyboard, _mouse;

    /// <inheritdoc/>
    public string Name => "i8042";

    /// <summary>Guards the controller and what is plugged into it.</summary>
    internal Lock Lock { get; } = new();

    /// <summary>Whether there are a keyboard and a mouse.</summary>
    internal bool IsPlugged => _keyboard is not null;

    /// <summary>Plugs both in, before the machine runs.</summary>
    internal void Plug(Ps2Device keyboard, Ps2Device mouse)
    {
        (_keyboard, _mouse) = (keyboard, mouse);
        _commandByte = PluggedCommandByte;
    }

    /// <summary>A device has something to send, perhaps. Under <see cref="Lock"/>.</summary>
    internal void Look()
    {
        while ((_status & OutputFull) == 0)
        {
            if (_hasReply)
            {
                _hasReply = false;
                Put(_reply, _replyFromMouse);
            }
            else if ((_commandByte & KeyboardDisabled) == 0 && _keyboard?.TryTake(out byte code) == true) TakeFromKeyboard(code);
            else if ((_commandByte & AuxiliaryDisabled) == 0 && _mouse?.TryTake(out byte part) == true) Put(part, fromMouse: true);
            else return;
        }
    }

    /// <summary>Puts the registers at 0x60 (data) and 0x64 (command and status).</summary>
    public void MapOn(AddressBus ports)
    {
        ports.Map("i8042 data", 0x60, 1, new ByteWindow(this, 0));
        ports.Map("i8042 command", 0x64, 1, new ByteWindow(this, 1));
    }

    /// <inheritdoc/>
    public byte ReadRegister(int register)
    {
        lock (Lock)
        {
            if (register != 0) return _status;
            _status &= unchecked((byte)~(OutputFull | FromMouse | TimeOut));
            SetLines(keyboard: false, mouse: false);
            byte output = _output;
            Look();
            return output;
        }
    }

    /// <inheritdoc/>
    public void WriteRegister(int register, byte value)
    {
        bool reset;
        lock (Lock)
        {
            reset = register == 0 ? WriteData(value) : WriteCommand(value);
            Look();
        }
        if (reset) platform.Reset();
    }

    /// <inheritdoc/>
    public void Start() { }

    /// <inheritdoc/>
    public void Stop() { }

    /// <inheritdoc/>
    public void Reset()
    {
        lock (Lock)
        {
            _status = SystemFlag | NotInhibited;
            _output = _awaiting = _reply = 0;
            _hasReply = _replyFromMouse = _released = false;
            _commandByte = IsPlugged ? PluggedCommandByte : (byte)(KeyboardDisabled | AuxiliaryDisabled | SystemFlag);
            System.Array.Clear(_ram);
            a20.Enabled = true;
            SetLines(keyboard: false, mouse: false);
        }
    }

    /// <inheritdoc/>
    public void Exchange(StateFields fields)
    {
        lock (Lock)
        {
            fields.Value("status", ref _status);
            fields.Value("output", ref _output);
            fields.Value("command-byte", ref _commandByte);
            fields.Value("awaiting", ref _awaiting);
            fields.Bytes("ram", _ram);
            bool enabled = a20.Enabled;
            fields.Value("a20", ref enabled);
            a20.Enabled = enabled;
            fields.Value("line", ref _level);
            if (IsPlugged) ExchangePlugged(fields);
            SetLines(_level, _mouseLevel);
        }
    }

    private void ExchangePlugged(StateFields fields)
    {
        fields.Value("mouse-line", ref _mouseLevel);
        fields.Value("reply", ref _reply);
        fields.Value("has-reply", ref _hasReply);
        fields.Value("reply-from-mouse", ref _replyFromMouse);
        fields.Value("released", ref _released);
    }

    private void SetLines(bool keyboard, bool mouse)
    {
        (_level, _mouseLevel) = (keyboard, mouse);
        line.SetLevel(keyboard);
        mouseLine.SetLevel(mouse);
    }

    private bool WriteCommand(byte command)
    {
        _status |= CommandLast;
        _awaiting = 0;
        switch (command)
        {
            case 0x20: Reply(_commandByte); break;
            case > 0x20 and < 0x40: Reply(_ram[command & 0x1f]); break;
            case >= 0x60 and < 0x80 or 0xd1 or 0xd2 or 0xd3 or 0xd4: _awaiting = command; break;
            case 0xa7: _commandByte |= AuxiliaryDisabled; break;
            case 0xa8: _commandByte &= unchecked((byte)~AuxiliaryDisabled); break;
            case 0xa9: Reply(IsPlugged ? (byte)0x00 : (byte)0xff); break; // Without a mouse there is no port to test.
            case 0xaa: Reply(0x55); break;
            case 0xab: Reply(0x00); break;
            case 0xad: _commandByte |= KeyboardDisabled; break;
            case 0xae: _commandByte &= unchecked((byte)~KeyboardDisabled); break;
            case 0xc0: Reply(0x80); break; // Input port: the keyboard lock is open.
            case 0xd0: Reply((byte)(NotReset | (a20.Enabled ? A20Line : 0))); break;
            case 0xdd: a20.Enabled = false; break;
            case 0xdf: a20.Enabled = true; break;
            case >= 0xf0: return (command & NotReset) == 0; // Pulses the output lines whose bit is clear.
        }
        return false;
    }

    private bool WriteData(byte value)
    {
        byte command = _awaiting;
        _awaiting = 0;
        _status &= unchecked((byte)~CommandLast);
        switch (command)
        {
            case 0x60: _commandByte = value; break;
            case > 0x60 and < 0x80: _ram[command & 0x1f] = value; break;
            case 0xd1:
                a20.Enabled = (value & A20Line) != 0;
                return (value & NotReset) == 0;
            case 0xd2: Reply(value); break;
            case 0xd3 when IsPlugged: Reply(value, fromMouse: true); break;
            case 0xd3: break;
            case 0xd4: _mouse?.Write(value); break;
            default:
                // A byte for the keyboard switches its clock on.
                if (_keyboard is not null) _commandByte &= unchecked((byte)~KeyboardDisabled);
                if (_keyboard is not null) _keyboard.Write(value);
                else TimeOutKeyboard();
                break;
        }
        return false;
    }

    private void TimeOutKeyboard()
    {
        Reply(Resend);
        _status |= TimeOut;
    }

    // With devices the byte that is in the way may be one of theirs; the answer then waits for its turn.
    private void Reply(byte value, bool fromMouse = false)
    {
        if (IsPlugged && (_status & OutputFull) != 0) (_reply, _hasReply, _replyFromMouse) = (value, true, fromMouse);
        else Put(value, fromMouse);
    }

    private void TakeFromKeyboard(byte code)
    {
        if ((_commandByte & Translating) == 0) Put(code, fromMouse: false);
        else if (code == ScanCodes.Break) _released = true;
        else
        {
            Put(ScanCodes.Translate(code, _released), fromMouse: false);
            _released = false;
        }
    }

    private void Put(byte value, bool fromMouse)
    {
        _output = value;
        _status = (byte)((_status & ~FromMouse) | OutputFull | (fromMouse ? FromMouse : 0));
        SetLines(keyboard: !fromMouse && (_commandByte & KeyboardInterrupt) != 0, mouse: fromMouse && (_commandByte & MouseInterrupt) != 0);
    }
}
