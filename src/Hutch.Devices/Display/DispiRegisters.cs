using System;
using Hutch.Core.State;

namespace Hutch.Devices.Display;

/// <summary>
/// The registers of the Bochs display interface, by which a mode is set without VGA's: an index, and 16-bit values (Bochs VBE_DISPI interface 0xb0c5; QEMU docs/specs/standard-vga).
/// Values that make no picture are replaced by the nearest that do when the mode is switched on. Called under the card's lock.
/// </summary>
/// <param name="memoryBytes">The card's memory.</param>
internal sealed class DispiRegisters(int memoryBytes)
{
    /// <summary>Number of registers.</summary>
    internal const int Count = 11;

    /// <summary>The widest picture.</summary>
    internal const int MostWidth = 3840;

    /// <summary>The highest picture.</summary>
    internal const int MostHeight = 2160;

    private const int Id = 0, XResolution = 1, YResolution = 2, BitsPerPixelRegister = 3, Enable = 4, BankRegister = 5, VirtualWidth = 6, VirtualHeight = 7, XOffset = 8, YOffset = 9, Memory64K = 10;
    private const ushort Enabled = 0x01, GetCapabilities = 0x02, EightBitDac = 0x20, Linear = 0x40, KeepMemory = 0x80;
    private const ushort FirstId = 0xb0c0, LastId = 0xb0c5;

    private readonly ushort[] _registers = new ushort[Count];

    /// <summary>A mode of this interface is on, and VGA's registers say nothing.</summary>
    internal bool IsOn => (_registers[Enable] & Enabled) != 0;

    /// <summary>Colours of the palette have 8 bits each instead of 6.</summary>
    internal bool HasEightBitDac => (_registers[Enable] & EightBitDac) != 0;

    /// <summary>Width in pixels, while a mode is on.</summary>
    internal int Width => _registers[XResolution];

    /// <summary>Height in pixels, while a mode is on.</summary>
    internal int Height => _registers[YResolution];

    /// <summary>4, 8, 15, 16, 24 or 32.</summary>
    internal int BitsPerPixel => _registers[BitsPerPixelRegister];

    /// <summary>Bytes from one line to the next; with 4 bits, those of all planes.</summary>
    internal int LineBytes => LineBytesOf(_registers[VirtualWidth]);

    /// <summary>Where the picture begins in memory, in bytes.</summary>
    internal int Start => (_registers[YOffset] * LineBytes) + (BitsPerPixel == 4 ? _registers[XOffset] / 8 * 4 : _registers[XOffset] * BytesPerPixel);

    /// <summary>Where the window below 1 MiB begins in memory, in bytes.</summary>
    internal int WindowStart => _registers[BankRegister] << 16;

    /// <summary>Bytes of a pixel, with 8 bits and more.</summary>
    internal int BytesPerPixel => (BitsPerPixel + 7) / 8;

    /// <summary>Which register the data port reaches.</summary>
    internal ushort Index { get; set; }

    /// <summary>Reads a register; one that does not exist is 0.</summary>
    internal ushort Read(int index)
    {
        bool asks = (_registers[Enable] & GetCapabilities) != 0;
        return index switch
        {
            XResolution when asks => MostWidth,
            YResolution when asks => MostHeight,
            BitsPerPixelRegister when asks => 32,
            Memory64K => (ushort)(memoryBytes >> 16),
            < Count and >= 0 => _registers[index],
            _ => 0,
        };
    }

    /// <summary>Writes a register. True: a mode was switched on, and its memory is to be cleared.</summary>
    internal bool Write(int index, ushort value)
    {
        switch (index)
        {
            case Id when value is >= FirstId and <= LastId: _registers[Id] = value; break;
            case BankRegister: _registers[BankRegister] = (ushort)(value & ((memoryBytes >> 16) - 1)); break;
            case XResolution or YResolution or BitsPerPixelRegister or VirtualWidth or XOffset or YOffset:
                _registers[index] = value;
                if (IsOn) MakeSound();
                break;
            case Enable: return SetEnable(value);
        }
        return false;
    }

    /// <summary>Switches a mode of 32 bits on, as a driver would.</summary>
    internal void SetLinear(int width, int height)
    {
        SetEnable(0);
        (_registers[XResolution], _registers[YResolution], _registers[BitsPerPixelRegister]) = ((ushort)width, (ushort)height, 32);
        SetEnable(Enabled | Linear);
    }

    /// <summary>Power-on.</summary>
    internal void Reset()
    {
        Array.Clear(_registers);
        _registers[Id] = LastId;
        Index = 0;
    }

    /// <summary>Saves or restores it.</summary>
    internal void Exchange(StateFields fields)
    {
        Span<uint> values = stackalloc uint[Count];
        for (int i = 0; i < Count; i++) values[i] = _registers[i];
        ushort index = Index;
        fields.Numbers("registers", values);
        fields.Value("index", ref index);
        if (!fields.IsRestoring) return;
        Index = index;
        for (int i = 0; i < Count; i++) _registers[i] = (ushort)values[i];
        _registers[BankRegister] &= (ushort)((memoryBytes >> 16) - 1);
        if (IsOn) MakeSound();
    }

    private bool SetEnable(ushort value)
    {
        bool begins = (value & Enabled) != 0 && !IsOn;
        _registers[Enable] = (ushort)(value & (Enabled | GetCapabilities | EightBitDac | Linear | KeepMemory));
        if (!begins)
        {
            if (!IsOn) _registers[BankRegister] = 0;
            return false;
        }
        _registers[VirtualWidth] = _registers[XResolution];
        _registers[XOffset] = _registers[YOffset] = 0;
        MakeSound();
        return (value & KeepMemory) == 0;
    }

    // What the guest asked for may not fit: the memory holds all lines that are shown, and the picture lies within the lines.
    private void MakeSound()
    {
        if (BitsPerPixel is not (4 or 8 or 15 or 16 or 24 or 32)) _registers[BitsPerPixelRegister] = 8;
        int width = Math.Clamp(Width & ~7, 8, MostWidth);
        int wide = Math.Clamp((int)_registers[VirtualWidth], width, 4 * MostWidth) & ~7;
        if (LineBytesOf(wide) > memoryBytes) wide = width;
        int lines = Math.Min(memoryBytes / LineBytesOf(wide), ushort.MaxValue);
        int height = Math.Clamp((int)_registers[YResolution], 1, Math.Min(lines, MostHeight));
        _registers[XResolution] = (ushort)width;
        _registers[YResolution] = (ushort)height;
        _registers[VirtualWidth] = (ushort)wide;
        _registers[VirtualHeight] = (ushort)lines;
        _registers[XOffset] = (ushort)Math.Min((int)_registers[XOffset], wide - width);
        _registers[YOffset] = (ushort)Math.Min((int)_registers[YOffset], lines - height);
    }

    private int LineBytesOf(int pixels) => BitsPerPixel == 4 ? pixels / 2 : pixels * BytesPerPixel;
}
