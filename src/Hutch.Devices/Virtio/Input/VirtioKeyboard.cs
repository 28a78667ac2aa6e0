using System;
using Hutch.Core.Memory;
using Hutch.Core.State;
using static Hutch.Devices.Virtio.Input.VirtioInputCodes;

namespace Hutch.Devices.Virtio.Input;

/// <summary>A keyboard. The guest repeats keys by itself.</summary>
internal sealed class VirtioKeyboard(string name, GuestMemory memory) : VirtioInput(name, memory, "Hutch Virtio Keyboard", Product), IKeyboard
{
    private const ushort Product = 1;
    private const int KeyCount = 256;

    // By Linux's code: what is down, and what the guest was told is.
    private readonly bool[] _held = new bool[KeyCount], _told = new bool[KeyCount];
    private byte _lights;

    /// <inheritdoc/>
    public bool HasCapsLock => (_lights & 1 << CapsLock) != 0;

    /// <inheritdoc/>
    internal override uint PciClass => 0x090000;

    /// <inheritdoc/>
    public void Press(byte key, bool down)
    {
        byte code = KeyCodes.Find(key);
        if (code == 0) return;
        lock (Gate)
        {
            _held[code] = down;
            if (!IsListening || !Tell(code, down)) return;
        }
        Kick(EventQueue);
    }

    /// <inheritdoc/>
    private protected override int Codes(byte type, Span<byte> bits)
    {
        int bytes = 0;
        switch (type)
        {
            case Key:
                for (int key = 0; key < KeyCount; key++)
                    if (KeyCodes.Find((byte)key) is not 0 and byte code) bytes = SetBit(bits, code, bytes);
                return bytes;
            case Led:
                for (int light = 0; light < Lights; light++) bytes = SetBit(bits, light, bytes);
                return bytes;
            // It has no codes; that there is an answer says that keys are to be repeated.
            case Repeat: return 1;
            default: return 0;
        }
    }

    /// <inheritdoc/>
    private protected override bool CatchUp()
    {
        // A key that went down unseen is not told of: who pressed it has seen that nothing came of it.
        for (int code = 0; code < KeyCount; code++)
            if (_told[code] && !_held[code]) return Tell((byte)code, false);
        return false;
    }

    /// <inheritdoc/>
    private protected override void Forget()
    {
        Array.Clear(_told);
        _lights = 0;
    }

    /// <inheritdoc/>
    private protected override void Accept(InputEvent told)
    {
        if (told.Type != Led || told.Code >= Lights) return;
        int light = 1 << told.Code;
        _lights = (byte)(told.Value != 0 ? _lights | light : _lights & ~light);
    }

    /// <inheritdoc/>
    private protected override void ExchangeOwn(StateFields fields)
    {
        base.ExchangeOwn(fields);
        Span<byte> told = stackalloc byte[KeyCount / 8];
        told.Clear();
        for (int code = 0; code < KeyCount; code++)
            if (_told[code]) _ = SetBit(told, code, 0);
        fields.Bytes("told", told);
        for (int code = 0; code < KeyCount; code++) _told[code] = (told[code / 8] >> (code % 8) & 1) != 0;
        fields.Value("lights", ref _lights);
    }

    private bool Tell(byte code, bool down)
    {
        if (_told[code] == down || !Reports.TryAdd([new InputEvent(Key, code, down ? 1 : 0)])) return false;
        _told[code] = down;
        return true;
    }
}
