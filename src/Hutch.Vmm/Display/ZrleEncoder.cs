using System;
using System.IO;
using System.IO.Compression;
using Hutch.Devices;

namespace Hutch.Vmm.Display;

/// <summary>
/// The ZRLE encoding (RFC 6143 §7.7.6): tiles of 64 by 64 pixels in one colour, with a palette of up to 16, or as they are, all through one compressed stream that lasts as long as the
/// connection. Used by one thread.
/// </summary>
internal sealed class ZrleEncoder : IDisposable
{
    private const int Side = 64, MostColours = 16;

    private readonly MemoryStream _packed = new();
    private readonly ZLibStream _stream;
    private readonly byte[] _tile = new byte[1 + (MostColours * 4) + (Side * Side * 4)];
    private readonly uint[] _colours = new uint[MostColours];

    /// <summary>Begins a connection's stream.</summary>
    internal ZrleEncoder() => _stream = new ZLibStream(_packed, CompressionLevel.Fastest, leaveOpen: true);

    /// <summary>Encodes a rectangle, which begins at a corner of a tile. The result is good until the next call.</summary>
    internal ReadOnlySpan<byte> Encode(ScreenFrame frame, RfbPixelFormat format, int x, int y, int width, int height)
    {
        _packed.SetLength(0);
        for (int top = y; top < y + height; top += Side)
            for (int left = x; left < x + width; left += Side)
                _stream.Write(_tile, 0, EncodeTile(frame, format, left, top, Math.Min(Side, x + width - left), Math.Min(Side, y + height - top)));
        _stream.Flush();
        return _packed.GetBuffer().AsSpan(0, (int)_packed.Length);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _stream.Dispose();
        _packed.Dispose();
    }

    private int EncodeTile(ScreenFrame frame, RfbPixelFormat format, int x, int y, int width, int height)
    {
        int count = Gather(frame, x, y, width, height), length = 1;
        if (count > MostColours)
        {
            _tile[0] = 0;
            for (int row = y; row < y + height; row++)
                foreach (uint pixel in frame.Row(row).Slice(x, width)) length += format.WriteCompact(pixel, _tile.AsSpan(length));
            return length;
        }
        _tile[0] = (byte)count;
        for (int i = 0; i < count; i++) length += format.WriteCompact(_colours[i], _tile.AsSpan(length));
        if (count == 1) return length;
        int bits = count == 2 ? 1 : count <= 4 ? 2 : 4;
        for (int row = y; row < y + height; row++) length = PackRow(frame.Row(row).Slice(x, width), count, bits, length);
        return length;
    }

    // Indexes of the palette, the leftmost in the highest bits; every row begins with a byte of its own.
    private int PackRow(ReadOnlySpan<uint> row, int count, int bits, int length)
    {
        int gathered = 0, filled = 0;
        foreach (uint pixel in row)
        {
            gathered = gathered << bits | _colours.AsSpan(0, count).IndexOf(pixel);
            filled += bits;
            if (filled != 8) continue;
            _tile[length++] = (byte)gathered;
            gathered = filled = 0;
        }
        if (filled != 0) _tile[length++] = (byte)(gathered << (8 - filled));
        return length;
    }

    // How many colours there are, up to one more than a palette holds.
    private int Gather(ScreenFrame frame, int x, int y, int width, int height)
    {
        int count = 0;
        uint last = 0;
        for (int row = y; row < y + height; row++)
            foreach (uint pixel in frame.Row(row).Slice(x, width))
            {
                if ((count != 0 && pixel == last) || _colours.AsSpan(0, count).Contains(pixel)) continue;
                if (count == MostColours) return count + 1;
                _colours[count++] = last = pixel;
            }
        return count;
    }
}
