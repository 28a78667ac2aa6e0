using System;
using System.Collections;
using Hutch.Core.State;
using Hutch.Devices.Chipset;

namespace Hutch.Devices.Input;

/// <summary>
/// A keyboard with 102 keys and scan code set 2 (IBM PS/2 technical reference, "101- and 102-Key Keyboard"). Keys are known by their set 1 codes, as viewers send
/// them. While the machine stands still nothing is typed; keys that were let go meanwhile are released when it goes on.
/// </summary>
internal sealed class Ps2Keyboard(I8042 controller) : Ps2Device(controller), IKeyboard
{
    private const byte Echo = 0xee, SetLeds = 0xed, SelectSet = 0xf0, Identify = 0xf2, SetRate = 0xf3, Enable = 0xf4, Disable = 0xf5, Defaults = 0xf6;
    private const byte FirstSetThree = 0xf7, LastSetThree = 0xfa, SendAgain = 0xfe, ResetAll = 0xff;
    private const byte OnlySet = 2, CapsLockLight = 4;
    private const int KeyCount = 256, Pause = 0xc6, LongestKey = 8;

    private readonly BitArray _held = new(KeyCount), _told = new(KeyCount);
    private bool _enabled = true, _running;
    private byte _command, _leds;

    private static ReadOnlySpan<byte> PauseKey => [0xe1, 0x14, 0x77, 0xe1, 0xf0, 0x14, 0xf0, 0x77];

    /// <summary>Lights: bit 0 scroll lock, 1 num lock, 2 caps lock.</summary>
    internal byte Leds => _leds;

    /// <inheritdoc/>
    public bool IsUsed => true;

    /// <inheritdoc/>
    public bool HasCapsLock => (_leds & CapsLockLight) != 0;

    /// <inheritdoc/>
    public void Press(byte key, bool down)
    {
        lock (Controller.Lock)
        {
            // A key that is held repeats, as viewers send it; a release must not be lost and a second one says nothing.
            bool known = _held[key];
            _held[key] = down;
            if (!_running || !_enabled || (!down && !known)) return;
            Tell(key, down);
            Controller.Look();
        }
    }

    /// <summary>The machine runs, or stands still.</summary>
    internal void SetRunning(bool running)
    {
        lock (Controller.Lock)
        {
            _running = running;
            if (!running) return;
            for (int key = 0; key < KeyCount; key++)
                if (_told[key] && !_held[key]) Tell((byte)key, false);
            Controller.Look();
        }
    }

    /// <inheritdoc/>
    internal override void Write(byte value)
    {
        byte command = _command;
        _command = 0;
        switch (command)
        {
            case SetLeds when value < 8:
                _leds = value;
                Reply(Acknowledge);
                return;
            case SelectSet when value <= OnlySet:
                if (value == 0) Reply(Acknowledge, OnlySet);
                else Reply(value == OnlySet ? Acknowledge : Resend);
                return;
            case SetRate when value < 0x80:
                Reply(Acknowledge);
                return;
        }
        Obey(value);
    }

    /// <inheritdoc/>
    internal override void Reset()
    {
        base.Reset();
        (_enabled, _command, _leds) = (true, 0, 0);
        _told.SetAll(false);
    }

    /// <inheritdoc/>
    internal override void Exchange(StateFields fields)
    {
        base.Exchange(fields);
        byte[] told = new byte[KeyCount / 8];
        _told.CopyTo(told, 0);
        fields.Value("enabled", ref _enabled);
        fields.Value("command", ref _command);
        fields.Value("leds", ref _leds);
        fields.Bytes("pressed", told);
        if (!fields.IsRestoring) return;
        for (int key = 0; key < KeyCount; key++) _told[key] = (told[key / 8] >> (key % 8) & 1) != 0;
    }

    private void Obey(byte command)
    {
        switch (command)
        {
            case SetLeds or SelectSet or SetRate:
                _command = command;
                Reply(Acknowledge);
                break;
            case Echo: Reply(Echo); break;
            case Identify: Reply(Acknowledge, 0xab, 0x83); break;
            case Enable or Disable or Defaults:
                if (command != Defaults) _enabled = command == Enable;
                Clear();
                Reply(Acknowledge);
                break;
            case >= FirstSetThree and <= LastSetThree: Reply(Acknowledge); break;
            case SendAgain: Repeat(); break;
            case ResetAll:
                Reset();
                Reply(Acknowledge, TestPassed);
                break;
            default: Reply(Resend); break;
        }
    }

    private void Tell(byte key, bool down)
    {
        if (Room < LongestKey) return;
        _told[key] = down;
        if (key == Pause)
        {
            // It sends press and release at once.
            if (down) Send(PauseKey);
            return;
        }
        byte code = ScanCodes.SetTwo(key);
        if (code == 0) return;
        Span<byte> sequence = stackalloc byte[3];
        int length = 0;
        if ((key & 0x80) != 0) sequence[length++] = ScanCodes.Extended;
        if (!down) sequence[length++] = ScanCodes.Break;
        sequence[length++] = code;
        Send(sequence[..length]);
    }
}
