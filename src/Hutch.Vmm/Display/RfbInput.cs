using System.Collections.Generic;
using Hutch.Devices;

namespace Hutch.Vmm.Display;

/// <summary>A client's keys and pointer on their way to the machine's keyboard and mouse. What is pressed when the client leaves is released. Used by one thread.</summary>
internal sealed class RfbInput(IReadOnlyList<IKeyboard> keyboards, IReadOnlyList<IPointer> pointers)
{
    private const int KeyCount = 256;

    private readonly bool[] _pressed = new bool[KeyCount], _shiftedFor = new bool[KeyCount];
    private (int X, int Y)? _place;
    private int _buttons;

    /// <summary>A key, by what it means.</summary>
    internal void KeySymbol(uint symbol, bool down)
    {
        byte key = KeySymbols.Find(symbol, out bool needsShift);
        if (key == 0) return;
        if (symbol < 0x80 && char.IsAsciiLetter((char)symbol)) needsShift ^= HasCapsLock();
        // A viewer with another keyboard, or a program, may have the symbol without shift.
        bool shifts = down && needsShift && !_pressed[KeySymbols.LeftShift] && !_pressed[KeySymbols.RightShift];
        if (shifts) _shiftedFor[key] = true;
        if (shifts) Press(KeySymbols.LeftShift, true);
        Press(key, down);
        if (down || !_shiftedFor[key]) return;
        _shiftedFor[key] = false;
        Press(KeySymbols.LeftShift, false);
    }

    /// <summary>A key, by where it is.</summary>
    internal void KeyCode(uint code, uint symbol, bool down)
    {
        if (code is 0 or >= KeyCount) KeySymbol(symbol, down);
        else Press((byte)code, down);
    }

    /// <summary>The pointer. Bits of <paramref name="buttons"/>: left, middle, right, wheel up, wheel down, two of a second wheel, back (RFC 6143 §7.5.5).</summary>
    internal void Pointer(int buttons, int x, int y)
    {
        (int right, int down) = _place is (int lastX, int lastY) ? (x - lastX, y - lastY) : (0, 0);
        int turned = buttons & ~_buttons, wheel = (turned >> 4 & 1) - (turned >> 3 & 1);
        PointerButtons now = (PointerButtons)((buttons & 1) | (buttons >> 1 & 1) << 2 | (buttons >> 2 & 1) << 1 | (buttons >> 7 & 1) << 3);
        foreach (IPointer pointer in pointers) pointer.Update(right, down, wheel, now);
        (_place, _buttons) = ((x, y), buttons);
    }

    /// <summary>The client has gone.</summary>
    internal void ReleaseAll()
    {
        for (int key = 0; key < KeyCount; key++)
            if (_pressed[key]) Press((byte)key, false);
        if (_buttons != 0)
            foreach (IPointer pointer in pointers) pointer.Update(0, 0, 0, PointerButtons.None);
    }

    private bool HasCapsLock()
    {
        foreach (IKeyboard keyboard in keyboards)
            if (keyboard.HasCapsLock) return true;
        return false;
    }

    private void Press(byte key, bool down)
    {
        _pressed[key] = down;
        foreach (IKeyboard keyboard in keyboards) keyboard.Press(key, down);
    }
}
