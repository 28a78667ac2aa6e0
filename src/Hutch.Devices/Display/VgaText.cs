using System;
using Hutch.Core.Memory;

namespace Hutch.Devices.Display;

/// <summary>
/// Draws text: characters in plane 0, attributes in plane 1, the font in plane 2 (IBM PS/2 Video Subsystem, "Alphanumeric Modes"). The cursor and blinking characters are shown
/// steadily, so that a screen that nobody writes to stays the same.
/// </summary>
internal sealed class VgaText(DeviceMemory memory, VgaRegisters registers)
{
    private const int FontBytes = 8192, GlyphBytes = 32, MostColumns = 256;

    private readonly byte[] _cells = new byte[MostColumns * 4];
    private readonly byte[][] _fonts = [new byte[FontBytes * 4], new byte[FontBytes * 4]];

    /// <summary>Lines that the CRT controller shows (register 0x12, with two bits of 0x07).</summary>
    internal static int HeightOf(ReadOnlySpan<byte> crtc) => (crtc[0x12] | (crtc[7] & 0x02) << 7 | (crtc[7] & 0x40) << 3) + 1;

    /// <summary>Draws the screen in 16 colours.</summary>
    internal void Draw(ScreenFrame frame, ReadOnlySpan<uint> colours)
    {
        ReadOnlySpan<byte> crtc = registers.Crtc;
        int columns = Math.Min(crtc[1] + 1, MostColumns), glyphHeight = (crtc[9] & 0x1f) + 1, glyphWidth = (registers.Sequencer[1] & 1) != 0 ? 8 : 9;
        int height = HeightOf(crtc), rows = height / glyphHeight, start = crtc[0x0c] << 8 | crtc[0x0d], stride = crtc[0x13] * 2;
        if (rows == 0) (rows, height) = (1, glyphHeight);
        frame.Resize(columns * glyphWidth, height);
        int select = registers.Sequencer[3];
        LoadFont(_fonts[0], (select & 3) | (select >> 2 & 4));
        LoadFont(_fonts[1], (select >> 2 & 3) | (select >> 3 & 4));
        int cursor = crtc[0x0e] << 8 | crtc[0x0f];
        for (int row = 0; row < rows; row++)
        {
            int first = start + (row * stride);
            for (int column = 0; column < columns; column++) ReadCell(first + column, column);
            for (int line = 0; line < glyphHeight; line++)
            {
                Span<uint> pixels = frame.Row((row * glyphHeight) + line);
                bool inCursor = (crtc[0x0a] & 0x20) == 0 && line >= (crtc[0x0a] & 0x1f) && line <= (crtc[0x0b] & 0x1f);
                DrawLine(pixels, columns, glyphWidth, line, colours, inCursor ? cursor - first : -1);
            }
        }
        for (int y = rows * glyphHeight; y < height; y++) frame.Row(y).Clear();
    }

    private void DrawLine(Span<uint> pixels, int columns, int glyphWidth, int line, ReadOnlySpan<uint> colours, int cursorColumn)
    {
        byte mode = registers.Attribute[0x10];
        for (int column = 0; column < columns; column++)
        {
            byte character = _cells[column * 4], attribute = _cells[(column * 4) + 1];
            int bits = _fonts[(attribute & 8) != 0 ? 1 : 0][(((character * GlyphBytes) + line) * 4) + 2] << 1;
            // The ninth dot goes on from the eighth for the characters of lines and boxes.
            if ((mode & 4) != 0 && character is >= 0xc0 and <= 0xdf) bits |= bits >> 1 & 1;
            if (column == cursorColumn) bits = 0x1ff;
            uint ink = colours[attribute & 0x0f], paper = colours[(mode & 8) != 0 ? attribute >> 4 & 7 : attribute >> 4];
            Span<uint> cell = pixels.Slice(column * glyphWidth, glyphWidth);
            for (int x = 0; x < cell.Length; x++) cell[x] = (bits >> (8 - x) & 1) != 0 ? ink : paper;
        }
    }

    private void ReadCell(int cell, int column) => memory.Read(((ulong)cell << 2) & (memory.LengthBytes - 4), _cells.AsSpan(column * 4, 4));

    // The eight places of fonts, in the order of their numbers: 0, 2, 4, 6, 1, 3, 5, 7.
    private void LoadFont(byte[] font, int number) => memory.Read((ulong)((number & 3) * 2 + (number >> 2)) * FontBytes * 4, font);
}
