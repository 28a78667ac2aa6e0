using System.Threading;
using Hutch.Core.Bus;
using Hutch.Core.Interrupts;
using Hutch.Core.State;

namespace Hutch.Devices.Chipset;

/// <summary>
/// The keyboard controller (Intel 8042 with the PC/AT program; IBM PS/2 technical reference, "Keyboard and Auxiliary Device Controller")
/// with nothing plugged in: reset, A20, self test and the command byte. A byte sent to the absent keyboard answers with the time-out
/// status at once, so that a guest that looks for one is done quickly.
/// </summary>
internal sealed class I8042(A20Gate a20, InterruptLine line, IPlatformEvents platform) : IByteRegisters, IStateUnit
{
    private const byte OutputFull = 0x01, SystemFlag = 0x04, CommandLast = 0x08, NotInhibited = 0x10, TimeOut = 0x40;
    private const byte KeyboardInterrupt = 0x01, KeyboardDisabled = 0x10, AuxiliaryDisabled = 0x20;
    private const byte NotReset = 0x01, A20Line = 0x02, Resend = 0xfe;

    private readonly Lock _lock = new();
    private byte _status = SystemFlag | NotInhibited, _output, _commandByte = KeyboardDisabled | AuxiliaryDisabled | SystemFlag, _awaiting;
    private readonly byte[] _ram = new byte[32];
    private bool _level;

    /// <inheritdoc/>
    public string Name => "i8042";

    /// <summary>Puts the registers at 0x60 (data) and 0x64 (command and status).</summary>
    public void MapOn(AddressBus ports)
    {
        ports.Map("i8042 data", 0x60, 1, new ByteWindow(this, 0));
        ports.Map("i8042 command", 0x64, 1, new ByteWindow(this, 1));
    }

    /// <inheritdoc/>
    public byte ReadRegister(int register)
    {
        lock (_lock)
        {
            if (register != 0) return _status;
            _status &= unchecked((byte)~(OutputFull | TimeOut));
            SetLine(false);
            return _output;
        }
    }

    /// <inheritdoc/>
    public void WriteRegister(int register, byte value)
    {
        bool reset;
        lock (_lock) reset = register == 0 ? WriteData(value) : WriteCommand(value);
        if (reset) platform.Reset();
    }

    /// <inheritdoc/>
    public void Start() { }

    /// <inheritdoc/>
    public void Stop() { }

    /// <inheritdoc/>
    public void Reset()
    {
        lock (_lock)
        {
            _status = SystemFlag | NotInhibited;
            _output = _awaiting = 0;
            _commandByte = KeyboardDisabled | AuxiliaryDisabled | SystemFlag;
            System.Array.Clear(_ram);
            a20.Enabled = true;
            SetLine(false);
        }
    }

    /// <inheritdoc/>
    public void Exchange(StateFields fields)
    {
        lock (_lock)
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
            line.SetLevel(_level);
        }
    }

    private void SetLine(bool level)
    {
        _level = level;
        line.SetLevel(level);
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
            case 0xa9: Reply(0xff); break; // No auxiliary port to test.
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
            case 0xd3 or 0xd4: break; // Nothing is there to answer.
            default:
                Reply(Resend);
                _status |= TimeOut;
                break;
        }
        return false;
    }

    private void Reply(byte value)
    {
        _output = value;
        _status |= OutputFull;
        SetLine((_commandByte & KeyboardInterrupt) != 0);
    }
}
