using System;
using Hutch.Core.Memory;
using Hutch.Host.Files;

namespace Hutch.Devices.Virtio.Gpu;

/// <summary>
/// A picture of the host's that the driver fills from guest memory (virtio 1.2 §5.7.6): rows from the top, four bytes a pixel, without gaps. Owns its pixels. Used under the display's lock.
/// </summary>
internal sealed class GpuResource : IDisposable
{
    /// <summary>The longest side in pixels.</summary>
    internal const int MostSide = 16384;

    /// <summary>The most ranges of guest memory that it is filled from.</summary>
    internal const int MostEntries = 16384;

    // What a range costs the host.
    private const int EntryHostBytes = 32;

    private readonly NativeBuffer _pixels;
    private GuestBuffer[] _backing = [];
    private ulong _backingBytes;

    /// <summary>Makes it, black and transparent. Throws <see cref="OutOfMemoryException"/>.</summary>
    /// <param name="id">Its number, not 0.</param>
    /// <param name="format">A known format.</param>
    /// <param name="width">From 1 to <see cref="MostSide"/>.</param>
    /// <param name="height">Likewise.</param>
    internal GpuResource(uint id, uint format, int width, int height)
    {
        (Id, Format, Width, Height) = (id, format, width, height);
        _pixels = new NativeBuffer(checked(width * height * GpuFormat.PixelBytes));
    }

    /// <summary>Its number.</summary>
    internal uint Id { get; }

    /// <summary>The format of its pixels.</summary>
    internal uint Format { get; }

    /// <summary>In pixels.</summary>
    internal int Width { get; }

    /// <summary>In pixels.</summary>
    internal int Height { get; }

    /// <summary>All pixels.</summary>
    internal Span<byte> Pixels => _pixels.Span;

    /// <summary>The ranges of guest memory that it is filled from, in their order; none: it cannot be filled.</summary>
    internal ReadOnlySpan<GuestBuffer> Backing => _backing;

    /// <summary>The host's memory that so many ranges take.</summary>
    internal static long HostBytesOf(int entries) => (long)entries * EntryHostBytes;

    /// <summary>Sets what it is filled from.</summary>
    internal void Attach(GuestBuffer[] backing)
    {
        _backing = backing;
        _backingBytes = 0;
        foreach (GuestBuffer range in backing) _backingBytes += (uint)range.Length;
    }

    /// <summary>
    /// Fills a part from guest memory, in which lines are as far apart as here. False, with nothing done, where there is less of it. A line is copied at once, so that the work is
    /// bounded by the pixels and the ranges.
    /// </summary>
    /// <param name="part">Within the picture.</param>
    /// <param name="offset">Where in the ranges, taken together, the part's first pixel is, in bytes.</param>
    internal bool TryFill(GpuRectangle part, ulong offset)
    {
        if (part.IsEmpty) return true;
        int stride = Width * GpuFormat.PixelBytes, length = (int)part.Width * GpuFormat.PixelBytes, lines = (int)part.Height;
        ulong needed = ((ulong)stride * (ulong)(lines - 1)) + (ulong)length;
        if (offset > _backingBytes || needed > _backingBytes - offset) return false;
        // Whole lines are one.
        if (length == stride) (length, lines) = (length * lines, 1);
        Span<byte> pixels = Pixels[(((int)part.Y * stride) + ((int)part.X * GpuFormat.PixelBytes))..];
        int entry = 0;
        ulong entryStart = 0;
        for (int line = 0; line < lines; line++)
        {
            Span<byte> to = pixels.Slice(line * stride, length);
            ulong at = offset + ((ulong)stride * (ulong)line);
            while (!to.IsEmpty)
            {
                GuestBuffer range = _backing[entry];
                if (at - entryStart >= (ulong)range.Length)
                {
                    entryStart += (ulong)range.Length;
                    entry++;
                    continue;
                }
                int within = (int)(at - entryStart), taken = Math.Min(to.Length, range.Length - within);
                range.CopyTo(within, to[..taken]);
                to = to[taken..];
                at += (ulong)taken;
            }
        }
        return true;
    }

    /// <inheritdoc/>
    public void Dispose() => _pixels.Dispose();
}
