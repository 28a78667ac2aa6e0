using Hutch.Core.Memory;
using Hutch.Core.State;

namespace Hutch.Devices.Display;

/// <summary>
/// The window at [0xa0000, 0xc0000) onto four planes of memory (IBM PS/2 Video Subsystem, "Graphics Controller": write modes 0 to 3, read modes 0 and 1). Byte n of plane p lies at
/// 4n + p of the card's memory, so that linear modes see the same bytes. Called under the card's lock.
/// </summary>
internal sealed class VgaWindow(DeviceMemory memory, VgaRegisters registers, DispiRegisters dispi)
{
    /// <summary>First address.</summary>
    internal const ulong Start = 0xa_0000;

    /// <summary>Length in bytes.</summary>
    internal const int LengthBytes = 0x2_0000;

    private const int SetReset = 0, EnableSetReset = 1, ColourCompare = 2, Rotate = 3, ReadMap = 4, Mode = 5, Miscellaneous = 6, ColourCare = 7, BitMask = 8;
    private const int MapMask = 2, MemoryMode = 4;
    private const byte ChainFour = 0x08, OddEven = 0x10, ReadModeOne = 0x08;

    private uint _latch;

    /// <summary>Reads one byte; what the window does not show reads as ones.</summary>
    internal byte Read(int offset)
    {
        if (dispi.IsOn && dispi.BitsPerPixel >= 8) return ReadByte(dispi.WindowStart + (offset & 0xffff));
        if (!TryPlace(ref offset)) return 0xff;
        if ((registers.Sequencer[MemoryMode] & ChainFour) != 0) return ReadByte(offset);
        if ((registers.Graphics[Mode] & OddEven) != 0) return ReadByte((offset & ~1) << 1 | (registers.Graphics[ReadMap] & 2) | (offset & 1));
        _latch = memory.ReadWord(WordAt(offset));
        if ((registers.Graphics[Mode] & ReadModeOne) == 0) return (byte)(_latch >> (8 * registers.Graphics[ReadMap]));
        uint differs = (_latch ^ Planes(registers.Graphics[ColourCompare])) & Planes(registers.Graphics[ColourCare]);
        differs |= differs >> 16;
        return (byte)~(differs | differs >> 8);
    }

    /// <summary>Writes one byte.</summary>
    internal void Write(int offset, byte value)
    {
        if (dispi.IsOn && dispi.BitsPerPixel >= 8)
        {
            WriteByte(dispi.WindowStart + (offset & 0xffff), value);
            return;
        }
        if (!TryPlace(ref offset)) return;
        int planes = registers.Sequencer[MapMask];
        if ((registers.Sequencer[MemoryMode] & ChainFour) != 0)
        {
            if ((planes >> (offset & 3) & 1) != 0) WriteByte(offset, value);
        }
        else if ((registers.Graphics[Mode] & OddEven) != 0)
        {
            int plane = (registers.Graphics[ReadMap] & 2) | (offset & 1);
            if ((planes >> plane & 1) != 0) WriteByte((offset & ~1) << 1 | plane, value);
        }
        else
        {
            uint mask = Planes(planes);
            ulong at = WordAt(offset);
            memory.WriteWord(at, (memory.ReadWord(at) & ~mask) | (Compose(value) & mask));
        }
    }

    /// <summary>Power-on.</summary>
    internal void Reset() => _latch = 0;

    /// <summary>Saves or restores the latches.</summary>
    internal void Exchange(StateFields fields) => fields.Value("latch", ref _latch);

    // A plane's bit becomes a byte of ones.
    private static uint Planes(int bits) => ((uint)bits & 1) * 0xff | ((uint)bits >> 1 & 1) * 0xff00 | ((uint)bits >> 2 & 1) * 0xff_0000 | ((uint)bits >> 3 & 1) * 0xff00_0000;

    private uint Compose(byte value)
    {
        System.ReadOnlySpan<byte> graphics = registers.Graphics;
        int mode = graphics[Mode] & 3, rotate = graphics[Rotate] & 7;
        if (mode == 1) return _latch;
        byte rotated = (byte)(value >> rotate | value << (8 - rotate));
        uint bits = graphics[BitMask] * 0x0101_0101u, data;
        switch (mode)
        {
            case 0:
                uint set = Planes(graphics[EnableSetReset]);
                data = (rotated * 0x0101_0101u & ~set) | (Planes(graphics[SetReset]) & set);
                break;
            case 2: data = Planes(value & 0x0f); break;
            default:
                data = Planes(graphics[SetReset]);
                bits &= rotated * 0x0101_0101u;
                break;
        }
        data = (graphics[Rotate] >> 3) switch { 1 => data & _latch, 2 => data | _latch, 3 => data ^ _latch, _ => data };
        return (data & bits) | (_latch & ~bits);
    }

    // Which part of the window is shown: 128 KiB or 64 KiB from 0xa0000, 32 KiB from 0xb0000 or from 0xb8000.
    private bool TryPlace(ref int offset)
    {
        (int first, int length) = (registers.Graphics[Miscellaneous] >> 2 & 3) switch { 0 => (0, 0x2_0000), 1 => (0, 0x1_0000), 2 => (0x1_0000, 0x8000), _ => (0x1_8000, 0x8000) };
        offset -= first;
        return (uint)offset < (uint)length;
    }

    private ulong WordAt(int offset) => ((ulong)offset << 2) & (memory.LengthBytes - 1);

    private byte ReadByte(int at)
    {
        System.Span<byte> one = stackalloc byte[1];
        memory.Read((ulong)at & (memory.LengthBytes - 1), one);
        return one[0];
    }

    private void WriteByte(int at, byte value) => memory.Write((ulong)at & (memory.LengthBytes - 1), [value]);
}
