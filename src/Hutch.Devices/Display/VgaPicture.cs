using System;
using System.Buffers.Binary;
using System.Runtime.InteropServices;
using Hutch.Core.Memory;

namespace Hutch.Devices.Display;

/// <summary>Draws the graphics modes of the card. Called under its lock, so that registers stand still; memory does not.</summary>
internal sealed class VgaPicture(DeviceMemory memory, VgaRegisters registers, DispiRegisters dispi)
{
    /// <summary>The size of a dark screen.</summary>
    internal const int DarkWidth = 720, DarkHeight = 400;

    private const int GraphicsMode = 5, GraphicsMiscellaneous = 6;

    private readonly VgaText _text = new(memory, registers);
    private readonly uint[] _palette = new uint[256], _sixteen = new uint[16];
    private readonly byte[] _line = new byte[DispiRegisters.MostWidth * 4];

    /// <summary>Draws what the registers say, or a dark screen.</summary>
    internal void Draw(ScreenFrame frame, bool isOff)
    {
        registers.ReadPalette(_palette, dispi.HasEightBitDac);
        if (isOff) DrawDark(frame);
        else if (dispi.IsOn && dispi.BitsPerPixel >= 8) DrawLinear(frame);
        else if (registers.IsDark || !HasTiming()) DrawDark(frame);
        else if (dispi.IsOn) DrawPlanes(frame, dispi.Width, dispi.Height, 1, 1, dispi.LineBytes, dispi.Start);
        else if ((registers.Graphics[GraphicsMiscellaneous] & 1) == 0) _text.Draw(frame, Sixteen());
        else DrawVga(frame);
    }

    private static void DrawDark(ScreenFrame frame)
    {
        frame.Resize(DarkWidth, DarkHeight);
        frame.Pixels.Clear();
    }

    // Registers that were never set make no picture.
    private bool HasTiming() => registers.Crtc[1] != 0 && registers.Crtc[0x12] != 0;

    private void DrawLinear(ScreenFrame frame)
    {
        int width = dispi.Width, height = dispi.Height, bytes = dispi.BytesPerPixel, bits = dispi.BitsPerPixel;
        frame.Resize(width, height);
        for (int y = 0; y < height; y++)
        {
            Span<uint> row = frame.Row(y);
            ulong at = (ulong)(dispi.Start + (y * dispi.LineBytes));
            if (bits == 32)
            {
                memory.Read(at, MemoryMarshal.AsBytes(row));
                foreach (ref uint pixel in row) pixel &= 0xff_ffff;
                continue;
            }
            Span<byte> line = _line.AsSpan(0, width * bytes);
            memory.Read(at, line);
            for (int x = 0; x < width; x++)
                row[x] = bits switch
                {
                    8 => _palette[line[x]],
                    15 => Widen(BinaryPrimitives.ReadUInt16LittleEndian(line[(2 * x)..]), 5),
                    16 => Widen(BinaryPrimitives.ReadUInt16LittleEndian(line[(2 * x)..]), 6),
                    _ => (uint)(line[3 * x] | line[(3 * x) + 1] << 8 | line[(3 * x) + 2] << 16),
                };
        }
    }

    private static uint Widen(uint pixel, int greenBits)
    {
        uint red = pixel >> (5 + greenBits) & 0x1f, green = pixel >> 5 & ((1u << greenBits) - 1), blue = pixel & 0x1f;
        green = greenBits == 6 ? green << 2 | green >> 4 : green << 3 | green >> 2;
        return (red << 3 | red >> 2) << 16 | green << 8 | (blue << 3 | blue >> 2);
    }

    private void DrawVga(ScreenFrame frame)
    {
        ReadOnlySpan<byte> crtc = registers.Crtc;
        int height = VgaText.HeightOf(crtc), repeat = ((crtc[9] & 0x1f) + 1) << (crtc[9] >> 7);
        int lineBytes = crtc[0x13] * 8, start = (crtc[0x0c] << 8 | crtc[0x0d]) * 4;
        int dots = (registers.Sequencer[1] & 8) != 0 ? 2 : 1, width = (crtc[1] + 1) * 8 * dots;
        if ((registers.Graphics[GraphicsMode] & 0x40) != 0) DrawBytes(frame, width, height, repeat, lineBytes, start);
        else DrawPlanes(frame, width, height, repeat, dots, lineBytes, start);
    }

    // 256 colours: a byte for each two dots.
    private void DrawBytes(ScreenFrame frame, int width, int height, int repeat, int lineBytes, int start)
    {
        frame.Resize(width, height);
        Span<byte> line = _line.AsSpan(0, width / 2);
        for (int y = 0; y < height; y++)
        {
            Read(start + (y / repeat * lineBytes), line);
            Span<uint> row = frame.Row(y);
            for (int x = 0; x < width; x++) row[x] = _palette[line[x / 2]];
        }
    }

    // 16 colours: a bit in each of four planes.
    private void DrawPlanes(ScreenFrame frame, int width, int height, int repeat, int dots, int lineBytes, int start)
    {
        frame.Resize(width, height);
        uint[] colours = Sixteen();
        int used = registers.Attribute[0x12] & 0x0f;
        Span<byte> line = _line.AsSpan(0, (width / dots + 7) / 8 * 4);
        for (int y = 0; y < height; y++)
        {
            Read(start + (y / repeat * lineBytes), line);
            Span<uint> row = frame.Row(y);
            for (int x = 0; x < width; x++)
            {
                int pixel = x / dots, at = pixel / 8 * 4, bit = 7 - (pixel & 7);
                int index = (line[at] >> bit & 1) | (line[at + 1] >> bit & 1) << 1 | (line[at + 2] >> bit & 1) << 2 | (line[at + 3] >> bit & 1) << 3;
                row[x] = colours[index & used];
            }
        }
    }

    // The attribute controller's way from 16 colours to the palette.
    private uint[] Sixteen()
    {
        ReadOnlySpan<byte> attribute = registers.Attribute;
        for (int i = 0; i < _sixteen.Length; i++)
        {
            int index = (attribute[0x10] & 0x80) != 0
                ? (attribute[i] & 0x0f) | (attribute[0x14] & 0x0f) << 4
                : (attribute[i] & 0x3f) | (attribute[0x14] & 0x0c) << 4;
            _sixteen[i] = _palette[index];
        }
        return _sixteen;
    }

    // Addresses wrap at the end of memory, as the card's counters do.
    private void Read(int at, Span<byte> line)
    {
        ulong start = (ulong)at & (memory.LengthBytes - 1);
        int first = (int)Math.Min((ulong)line.Length, memory.LengthBytes - start);
        memory.Read(start, line[..first]);
        memory.Read(0, line[first..]);
    }
}
