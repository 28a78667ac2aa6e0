using System;
using System.Buffers.Binary;
using System.Numerics;
using System.Runtime.InteropServices;

namespace Hutch.Devices.Virtio.Gpu;

/// <summary>The formats of pixels (virtio 1.2 §5.7.6.8, enum virtio_gpu_formats): four bytes, named in the order in which they lie in memory.</summary>
internal static class GpuFormat
{
    /// <summary>Bytes of a pixel.</summary>
    internal const int PixelBytes = 4;

    private const uint Bgra = 1, Bgrx = 2, Argb = 3, Xrgb = 4, Rgba = 67, Xbgr = 68, Abgr = 121, Rgbx = 134, Opaque = 0xff00_0000;

    /// <summary>Whether there is such a format.</summary>
    internal static bool IsKnown(uint format) => format is Bgra or Bgrx or Argb or Xrgb or Rgba or Xbgr or Abgr or Rgbx;

    /// <summary>Reads pixels as 0xAARRGGBB; those of formats without transparency are opaque.</summary>
    /// <param name="format">A known one.</param>
    /// <param name="source">Four bytes for each pixel.</param>
    /// <param name="pixels">Takes them.</param>
    internal static void Read(uint format, ReadOnlySpan<byte> source, Span<uint> pixels)
    {
        source.CopyTo(MemoryMarshal.AsBytes(pixels));
        uint filled = format is Bgrx or Xrgb or Xbgr or Rgbx ? Opaque : 0;
        switch (format)
        {
            case Argb or Xrgb:
                foreach (ref uint pixel in pixels) pixel = BinaryPrimitives.ReverseEndianness(pixel) | filled;
                break;
            case Rgba or Rgbx:
                foreach (ref uint pixel in pixels) pixel = BitOperations.RotateRight(BinaryPrimitives.ReverseEndianness(pixel), 8) | filled;
                break;
            case Abgr or Xbgr:
                foreach (ref uint pixel in pixels) pixel = BitOperations.RotateRight(pixel, 8) | filled;
                break;
            default:
                if (filled == 0) return;
                foreach (ref uint pixel in pixels) pixel |= filled;
                break;
        }
    }
}
