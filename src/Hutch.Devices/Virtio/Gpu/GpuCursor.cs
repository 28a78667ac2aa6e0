using System;
using System.Runtime.InteropServices;
using Hutch.Core.State;

namespace Hutch.Devices.Virtio.Gpu;

/// <summary>
/// The pointer's picture (virtio 1.2 §5.7.6.6, §5.7.6.10): a copy of a resource of 64 by 64 pixels, whose upper left corner is where the driver says. Colours are taken as already multiplied
/// by their opacity, as drivers of Linux and Windows make them. Used under the display's lock.
/// </summary>
internal sealed class GpuCursor
{
    /// <summary>Its width and height in pixels.</summary>
    internal const int Side = 64;

    private readonly uint[] _pixels = new uint[Side * Side];
    private bool _isVisible;
    private uint _x, _y;

    /// <summary>Shows a resource of the right size.</summary>
    internal void Show(GpuResource resource)
    {
        GpuFormat.Read(resource.Format, resource.Pixels, _pixels);
        _isVisible = true;
    }

    /// <summary>Shows nothing.</summary>
    internal void Hide()
    {
        Array.Clear(_pixels);
        _isVisible = false;
    }

    /// <summary>Places it; both numbers may be meant as negative.</summary>
    internal void Move(uint x, uint y) => (_x, _y) = (x, y);

    /// <summary>Draws it over a picture.</summary>
    internal void Draw(ScreenFrame frame)
    {
        if (!_isVisible) return;
        for (int line = 0; line < Side; line++)
        {
            int y = unchecked((int)_y + line);
            if ((uint)y >= (uint)frame.Height) continue;
            Span<uint> row = frame.Row(y);
            for (int column = 0; column < Side; column++)
            {
                int x = unchecked((int)_x + column);
                if ((uint)x < (uint)row.Length) row[x] = Blend(row[x], _pixels[(line * Side) + column]);
            }
        }
    }

    /// <summary>Saves or restores it.</summary>
    internal void Exchange(StateFields fields)
    {
        fields.Value("visible", ref _isVisible);
        fields.Value("x", ref _x);
        fields.Value("y", ref _y);
        byte[] pixels = fields.Blob("pixels", _isVisible ? MemoryMarshal.AsBytes(_pixels.AsSpan()).ToArray() : [], _pixels.Length * sizeof(uint));
        if (!fields.IsRestoring) return;
        fields.Require(pixels.Length == (_isVisible ? _pixels.Length * sizeof(uint) : 0), "pixels");
        if (_isVisible) pixels.CopyTo(MemoryMarshal.AsBytes(_pixels.AsSpan()));
        else Hide();
    }

    private static uint Blend(uint below, uint above)
    {
        uint through = 255 - (above >> 24), mixed = 0;
        if (through == 0) return above & 0xff_ffff;
        for (int shift = 0; shift < 24; shift += 8)
        {
            uint sum = (above >> shift & 0xff) + (((below >> shift & 0xff) * through) + 127) / 255;
            mixed |= Math.Min(sum, 255) << shift;
        }
        return mixed;
    }
}
