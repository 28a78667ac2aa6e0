using System;

namespace Hutch.Devices;

/// <summary>A screen of the machine, for whoever looks at it. Nothing is drawn while nobody does.</summary>
public interface IScreen
{
    /// <summary>The device's name.</summary>
    string Name { get; }

    /// <summary>A driver of the guest's shows something on it, which is to be seen in place of what firmware left on another screen. Any thread.</summary>
    bool IsDriven { get; }

    /// <summary>Draws what the screen shows now, whole. Any thread; the guest runs on and may be drawing too.</summary>
    void Draw(ScreenFrame frame);

    /// <summary>Asks the guest for a picture of another size, or for the nearest that it can be asked for. False: it cannot be asked, or not now. Any thread.</summary>
    bool AskForSize(int width, int height);

    /// <summary>
    /// Sets a mode as firmware would have, for a kernel that is loaded without one and cannot set any. While no vCPU runs, after resources were assigned. Null: the screen
    /// has none that such a kernel could use.
    /// </summary>
    LinearMode? SetBootMode();
}

/// <summary>A picture that lies in guest physical memory, with 32 bits for each pixel: blue, green, red, and one byte that is not shown.</summary>
/// <param name="Address">Of the first pixel, below 4 GiB.</param>
/// <param name="Width">In pixels.</param>
/// <param name="Height">In pixels.</param>
public sealed record LinearMode(ulong Address, int Width, int Height)
{
    /// <summary>From one line to the next.</summary>
    public int LineBytes => Width * sizeof(uint);
}

/// <summary>A picture: rows of pixels from the top, each 0x00RRGGBB, without gaps. Used by one thread.</summary>
public sealed class ScreenFrame
{
    /// <summary>The longest side in pixels.</summary>
    public const int MostSide = 4096;

    private uint[] _pixels = [];

    /// <summary>Width in pixels; 0 until something was drawn.</summary>
    public int Width { get; private set; }

    /// <summary>Height in pixels.</summary>
    public int Height { get; private set; }

    /// <summary>All pixels.</summary>
    public Span<uint> Pixels => _pixels.AsSpan(0, Width * Height);

    /// <summary>One row.</summary>
    public Span<uint> Row(int y) => _pixels.AsSpan(y * Width, Width);

    /// <summary>Gives the picture a size, from 1 to <see cref="MostSide"/> each way; what it shows is undefined when that changes.</summary>
    public void Resize(int width, int height)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(width, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(width, MostSide);
        ArgumentOutOfRangeException.ThrowIfLessThan(height, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(height, MostSide);
        if (_pixels.Length < width * height) _pixels = new uint[width * height];
        (Width, Height) = (width, height);
    }

    /// <summary>Becomes a copy of another picture.</summary>
    public void CopyFrom(ScreenFrame other)
    {
        ArgumentNullException.ThrowIfNull(other);
        Resize(other.Width, other.Height);
        other.Pixels.CopyTo(Pixels);
    }
}
