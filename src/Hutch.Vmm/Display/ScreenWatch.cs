using System;
using System.Threading;
using Hutch.Devices;
using Hutch.Host.Time;

namespace Hutch.Vmm.Display;

/// <summary>
/// What a screen showed when somebody last looked, and when each of its tiles last changed. Viewers share it: the screen is drawn once for all of them, and no more often than it
/// makes sense. Any thread.
/// </summary>
internal sealed class ScreenWatch(IScreen screen, IClock clock)
{
    /// <summary>Side of a tile in pixels.</summary>
    internal const int TileSide = 64;

    /// <summary>Time between two looks.</summary>
    internal const int PeriodMs = 33;

    private const long PeriodNanoseconds = (PeriodMs - 3) * 1_000_000L;

    private readonly Lock _lock = new();
    private ScreenFrame _shown = new(), _drawn = new();
    private ulong[] _changed = [];
    private ulong _look;
    private long _lastLook = long.MinValue / 2;

    /// <summary>Brings a viewer's picture up to date, and marks the tiles that are others now.</summary>
    /// <param name="picture">The viewer's picture; it takes the screen's size.</param>
    /// <param name="seen">The look whose picture it has; 0: none.</param>
    /// <param name="tiles">One mark for each tile, row by row; made anew when the size has changed.</param>
    /// <returns>The look whose picture it has now.</returns>
    internal ulong Update(ScreenFrame picture, ulong seen, ref bool[] tiles)
    {
        lock (_lock)
        {
            Look();
            bool resized = picture.Width != _shown.Width || picture.Height != _shown.Height;
            if (resized) picture.Resize(_shown.Width, _shown.Height);
            if (tiles.Length != _changed.Length) tiles = new bool[_changed.Length];
            for (int tile = 0; tile < tiles.Length; tile++)
            {
                if (!resized && _changed[tile] <= seen) continue;
                tiles[tile] = true;
                Copy(tile, picture);
            }
            return _look;
        }
    }

    /// <summary>The screen's size now.</summary>
    internal (int Width, int Height) Size
    {
        get
        {
            lock (_lock)
            {
                Look();
                return (_shown.Width, _shown.Height);
            }
        }
    }

    /// <summary>As <see cref="IScreen.AskForSize"/>.</summary>
    internal bool AskForSize(int width, int height) => screen.AskForSize(width, height);

    /// <summary>Tiles in a row of a picture.</summary>
    internal static int TilesAcross(int width) => (width + TileSide - 1) / TileSide;

    private void Look()
    {
        long now = clock.MonotonicNanoseconds;
        if (now - _lastLook < PeriodNanoseconds) return;
        _lastLook = now;
        screen.Draw(_drawn);
        _look++;
        if (_drawn.Width != _shown.Width || _drawn.Height != _shown.Height)
        {
            _changed = new ulong[TilesAcross(_drawn.Width) * TilesAcross(_drawn.Height)];
            Array.Fill(_changed, _look);
        }
        else Compare();
        (_shown, _drawn) = (_drawn, _shown);
    }

    private void Compare()
    {
        int across = TilesAcross(_drawn.Width);
        for (int y = 0; y < _drawn.Height; y++)
        {
            ReadOnlySpan<uint> before = _shown.Row(y), after = _drawn.Row(y);
            if (before.SequenceEqual(after)) continue;
            for (int tile = 0; tile < across; tile++)
            {
                int first = tile * TileSide, length = Math.Min(TileSide, after.Length - first);
                if (!before.Slice(first, length).SequenceEqual(after.Slice(first, length))) _changed[(y / TileSide * across) + tile] = _look;
            }
        }
    }

    private void Copy(int tile, ScreenFrame picture)
    {
        int across = TilesAcross(_shown.Width), x = tile % across * TileSide, y = tile / across * TileSide, width = Math.Min(TileSide, _shown.Width - x);
        for (int row = y; row < Math.Min(y + TileSide, _shown.Height); row++) _shown.Row(row).Slice(x, width).CopyTo(picture.Row(row).Slice(x, width));
    }
}
