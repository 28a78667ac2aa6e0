using System;
using Hutch.Devices;

namespace Hutch.Vmm.Display;

/// <summary>
/// A client's keys and pointer on their way to the machine. Of several keyboards, and of several mice, the last one that the guest uses gets what is done, and a tablet gets the pointer as soon as the guest uses
/// one. What is pressed when the client leaves is released. Used by one thread.
/// </summary>
/// <param name="devices">What there is to type on and to point with.</param>
/// <param name="screenSize">The screen's size in pixels.</param>
internal sealed class RfbInput(InputDevices devices, Func<(int Width, int Height)> screenSize)
{
    private const int KeyCount = 256;

    // By key: the keyboard that has it down.
    private readonly IKeyboard?[] _pressed = new IKeyboard?[KeyCount];
    private readonly bool[] _shiftedFor = new bool[KeyCount];
    private (int X, int Y)? _place;
    private int _buttons;

    private IKeyboard? Keyboard => devices.Keyboards.FindLast(static keyboard => keyboard.IsUsed);

    private IPointer? Mouse => devices.Pointers.FindLast(static mouse => mouse.IsUsed);

    private IAbsolutePointer? Tablet => devices.Tablets.Find(static tablet => tablet.IsUsed);

    /// <summary>A key, by what it means.</summary>
    internal void KeySymbol(uint symbol, bool down)
    {
        byte key = KeySymbols.Find(symbol, out bool needsShift);
        if (key == 0) return;
        if (symbol < 0x80 && char.IsAsciiLetter((char)symbol)) needsShift ^= Keyboard is { HasCapsLock: true };
        // A viewer with another keyboard, or a program, may have the symbol without shift.
        bool shifts = down && needsShift && _pressed[KeySymbols.LeftShift] is null && _pressed[KeySymbols.RightShift] is null;
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
        if (Tablet is { } tablet)
        {
            (int width, int height) = screenSize();
            tablet.Place(Scale(x, width), Scale(y, height), wheel, now);
        }
        else Mouse?.Update(right, down, wheel, now);
        (_place, _buttons) = ((x, y), buttons);
    }

    /// <summary>The client has gone.</summary>
    internal void ReleaseAll()
    {
        for (int key = 0; key < KeyCount; key++)
            if (_pressed[key] is not null) Press((byte)key, false);
        if (_buttons != 0 && _place is (int x, int y)) Pointer(0, x, y);
    }

    private static int Scale(int place, int length) => length < 2 ? 0 : (int)(Math.Clamp(place, 0, length - 1) * (long)IAbsolutePointer.Range / (length - 1));

    private void Press(byte key, bool down)
    {
        IKeyboard? keyboard = _pressed[key] ?? Keyboard;
        _pressed[key] = down ? keyboard : null;
        keyboard?.Press(key, down);
    }
}
