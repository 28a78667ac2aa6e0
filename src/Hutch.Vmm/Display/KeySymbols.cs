using System;

namespace Hutch.Vmm.Display;

/// <summary>
/// Which key of an American keyboard makes a symbol (X Window System protocol, appendix A), as a code of scan code set 1 with 0x80 added behind 0xe0. Viewers that send where a key is do not
/// need this.
/// </summary>
internal static class KeySymbols
{
    /// <summary>The left shift key.</summary>
    internal const byte LeftShift = 0x2a;

    /// <summary>The right shift key.</summary>
    internal const byte RightShift = 0x36;

    // The keys with characters by their codes from 1 on, without and with shift; a space stands for none.
    private const string Plain = " 1234567890-=  qwertyuiop[]  asdfghjkl;'` \\zxcvbnm,./";
    private const string Shifted = " !@#$%^&*()_+  QWERTYUIOP{}  ASDFGHJKL:\"~ |ZXCVBNM<>?";

    /// <summary>The key; 0: none makes it.</summary>
    /// <param name="symbol">The symbol.</param>
    /// <param name="needsShift">It is on the key's upper half.</param>
    internal static byte Find(uint symbol, out bool needsShift)
    {
        needsShift = false;
        if (symbol == ' ') return 0x39;
        if (symbol is > ' ' and < 0x7f)
        {
            int plain = Plain.IndexOf((char)symbol, StringComparison.Ordinal), shifted = Shifted.IndexOf((char)symbol, StringComparison.Ordinal);
            needsShift = plain < 0;
            return (byte)(Math.Max(plain, shifted) + 1);
        }
        return symbol switch
        {
            >= 0xffbe and <= 0xffc7 => (byte)(0x3b + symbol - 0xffbe), // F1 to F10
            0xffc8 => 0x57, 0xffc9 => 0x58,
            _ => FindNamed(symbol),
        };
    }

    private static byte FindNamed(uint symbol) => symbol switch
    {
        0xff08 => 0x0e, 0xff09 => 0x0f, 0xfe20 => 0x0f, 0xff0d => 0x1c, 0xff13 => 0xc6, 0xff6b => 0xc6, 0xff14 => 0x46, 0xff15 or 0xff61 => 0xb7, 0xff1b => 0x01,
        0xff50 => 0xc7, 0xff51 => 0xcb, 0xff52 => 0xc8, 0xff53 => 0xcd, 0xff54 => 0xd0, 0xff55 => 0xc9, 0xff56 => 0xd1, 0xff57 => 0xcf, // home, arrows, pages, end
        0xff63 => 0xd2, 0xffff => 0xd3, 0xff67 => 0xdd, 0xff7f => 0x45,
        0xff8d => 0x9c, 0xffaa => 0x37, 0xffab => 0x4e, 0xffad => 0x4a, 0xffae => 0x53, 0xffaf => 0xb5, // the number pad
        0xff95 or 0xffb7 => 0x47, 0xff97 or 0xffb8 => 0x48, 0xff9a or 0xffb9 => 0x49, 0xff96 or 0xffb4 => 0x4b, 0xff9d or 0xffb5 => 0x4c, 0xff98 or 0xffb6 => 0x4d,
        0xff9c or 0xffb1 => 0x4f, 0xff99 or 0xffb2 => 0x50, 0xff9b or 0xffb3 => 0x51, 0xff9e or 0xffb0 => 0x52, 0xff9f => 0x53,
        0xffe1 => LeftShift, 0xffe2 => RightShift, 0xffe3 => 0x1d, 0xffe4 => 0x9d, 0xffe5 => 0x3a, 0xffe9 or 0xffe7 => 0x38, 0xffea or 0xffe8 or 0xfe03 => 0xb8,
        0xffeb => 0xdb, 0xffec => 0xdc,
        _ => 0,
    };
}
