using System;
using Hutch.Core.State;
using Hutch.Devices.Chipset;

namespace Hutch.Devices.Input;

/// <summary>
/// A mouse with five buttons and a wheel (IBM PS/2 technical reference, "Mouse"; the wheel's packets as Microsoft's IntelliMouse and its Explorer have them, switched on by their
/// rows of sample rates). Motion gathers until the guest has taken the last packet.
/// </summary>
internal sealed class Ps2Mouse(I8042 controller) : Ps2Device(controller), IPointer
{
    private const byte ScaleOne = 0xe6, ScaleTwo = 0xe7, SetResolution = 0xe8, AskStatus = 0xe9, Stream = 0xea, ReadData = 0xeb, ResetWrap = 0xec, Wrap = 0xee, Remote = 0xf0;
    private const byte Identify = 0xf2, SetRate = 0xf3, Enable = 0xf4, Disable = 0xf5, Defaults = 0xf6, SendAgain = 0xfe, ResetAll = 0xff;
    private const byte Plain = 0, Wheel = 3, FiveButtons = 4;
    private const int MostMotion = 255, MostWheel = 7, MostGathered = 1 << 16;
    private const byte DefaultRate = 100, DefaultResolution = 2;

    private byte _command, _id, _rate = DefaultRate, _resolution = DefaultResolution, _olderRate, _oldRate;
    private bool _enabled, _remote, _doubled, _wrapping, _running;
    private int _x, _y, _wheel;
    private byte _buttons, _toldButtons;

    /// <inheritdoc/>
    public bool IsUsed => true;

    /// <inheritdoc/>
    public void Update(int right, int down, int wheel, PointerButtons buttons)
    {
        lock (Controller.Lock)
        {
            if (!_running) return;
            _x = Add(_x, right);
            _y = Add(_y, -Math.Clamp(down, -MostGathered, MostGathered));
            _wheel = Add(_wheel, wheel);
            byte now = (byte)((int)buttons & 0x1f);
            // A click that is over before the guest looks must be seen all the same.
            if (now != _buttons && _buttons != _toldButtons) SendPacket();
            _buttons = now;
            Controller.Look();
        }
    }

    /// <summary>The machine runs, or stands still.</summary>
    internal void SetRunning(bool running)
    {
        lock (Controller.Lock) _running = running;
    }

    /// <inheritdoc/>
    internal override void Write(byte value)
    {
        byte command = _command;
        _command = 0;
        if (_wrapping && value is not (ResetWrap or ResetAll)) Reply(value);
        else if (command == SetRate) TakeRate(value);
        else if (command == SetResolution)
        {
            if (value < 4) _resolution = value;
            Reply(value < 4 ? Acknowledge : Resend);
        }
        else Obey(value);
    }

    /// <inheritdoc/>
    internal override void Reset()
    {
        base.Reset();
        SetDefaults();
        (_id, _command, _wrapping, _oldRate, _olderRate) = (Plain, 0, false, 0, 0);
        (_buttons, _toldButtons, _x, _y, _wheel) = (0, 0, 0, 0, 0);
    }

    /// <inheritdoc/>
    internal override void Exchange(StateFields fields)
    {
        base.Exchange(fields);
        fields.Value("command", ref _command);
        fields.Value("id", ref _id);
        fields.Value("rate", ref _rate);
        fields.Value("old-rate", ref _oldRate);
        fields.Value("older-rate", ref _olderRate);
        fields.Value("resolution", ref _resolution);
        fields.Value("enabled", ref _enabled);
        fields.Value("remote", ref _remote);
        fields.Value("doubled", ref _doubled);
        fields.Value("wrapping", ref _wrapping);
        fields.Value("x", ref _x, -MostGathered, MostGathered);
        fields.Value("y", ref _y, -MostGathered, MostGathered);
        fields.Value("wheel", ref _wheel, -MostGathered, MostGathered);
        fields.Value("buttons", ref _buttons);
        fields.Value("told-buttons", ref _toldButtons);
        fields.Require(_id is Plain or Wheel or FiveButtons, "id");
    }

    /// <inheritdoc/>
    protected override void Fill()
    {
        if (_enabled && !_remote && (_x != 0 || _y != 0 || (_wheel != 0 && _id != Plain) || _buttons != _toldButtons)) SendPacket();
    }

    private static int Add(int gathered, int more) => Math.Clamp(gathered + Math.Clamp(more, -MostGathered, MostGathered), -MostGathered, MostGathered);

    private void Obey(byte command)
    {
        if (command is SetRate or SetResolution) _command = command;
        switch (command)
        {
            case SetRate or SetResolution: break;
            case ScaleOne or ScaleTwo: _doubled = command == ScaleTwo; break;
            case AskStatus:
                // Bits 2 to 0 are the buttons left, middle, right.
                int buttons = (_buttons & 1) << 2 | (_buttons & 4) >> 1 | (_buttons & 2) >> 1;
                Reply(Acknowledge, (byte)((_remote ? 0x40 : 0) | (_enabled ? 0x20 : 0) | (_doubled ? 0x10 : 0) | buttons), _resolution, _rate);
                return;
            case Stream or Remote:
                _remote = command == Remote;
                Clear();
                break;
            case ReadData:
                Reply(Acknowledge);
                Span<byte> packet = stackalloc byte[4];
                Reply(packet[..MakePacket(packet)]);
                return;
            case ResetWrap: _wrapping = false; break;
            case Wrap: _wrapping = true; break;
            case Identify:
                Reply(Acknowledge, _id);
                return;
            case Enable or Disable:
                _enabled = command == Enable;
                Clear();
                break;
            case Defaults: SetDefaults(); break;
            case SendAgain:
                Repeat();
                return;
            case ResetAll:
                Reset();
                Reply(Acknowledge, TestPassed, Plain);
                return;
            default:
                Reply(Resend);
                return;
        }
        Reply(Acknowledge);
    }

    private void TakeRate(byte rate)
    {
        if (rate is not (10 or 20 or 40 or 60 or 80 or 100 or 200))
        {
            Reply(Resend);
            return;
        }
        if ((_olderRate, _oldRate, rate) is (200, 100, 80)) _id = Wheel;
        else if ((_olderRate, _oldRate, rate) is (200, 200, 80) && _id == Wheel) _id = FiveButtons;
        (_olderRate, _oldRate, _rate) = (_oldRate, rate, rate);
        Reply(Acknowledge);
    }

    private void SetDefaults() => (_rate, _resolution, _doubled, _remote, _enabled) = (DefaultRate, DefaultResolution, false, false, false);

    private void SendPacket()
    {
        Span<byte> packet = stackalloc byte[4];
        if (Room < packet.Length || !_enabled || _remote) return;
        Send(packet[..MakePacket(packet)]);
    }

    private int MakePacket(Span<byte> packet)
    {
        int x = Take(ref _x, MostMotion), y = Take(ref _y, MostMotion), wheel = Take(ref _wheel, MostWheel);
        // A wheel that is turned towards the user counts up; viewers count the other way.
        packet[0] = (byte)(0x08 | (_buttons & 7) | (x < 0 ? 0x10 : 0) | (y < 0 ? 0x20 : 0));
        packet[1] = (byte)x;
        packet[2] = (byte)y;
        packet[3] = _id == FiveButtons ? (byte)((wheel & 0x0f) | (_buttons & 0x18) << 1) : (byte)wheel;
        _toldButtons = _buttons;
        return _id == Plain ? 3 : 4;
    }

    private static int Take(ref int gathered, int most)
    {
        int part = Math.Clamp(gathered, -most, most);
        gathered -= part;
        return part;
    }
}
