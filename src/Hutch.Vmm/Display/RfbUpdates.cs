using System;
using System.Collections.Generic;
using System.Threading;
using Hutch.Devices;

namespace Hutch.Vmm.Display;

/// <summary>
/// Sends a client what it asked to see (RFC 6143 §7.6.1). One request is answered at a time, so that however slow a client is, what waits for it is its own picture and one update.
/// The thread that reads changes what is wanted; the thread that sends does all else.
/// </summary>
internal sealed class RfbUpdates(ScreenWatch watch, RfbWriter writer) : IDisposable
{
    private const int Raw = 0, Zrle = 16, DesktopSize = -223, LastRectangle = -224, ExtendedKeys = -258, ExtendedDesktopSize = -308;

    // Why a layout is told, and what became of a request (rfbproto, "ExtendedDesktopSize Pseudo-encoding").
    private const int OfServer = 0, OfThisClient = 1, Prohibited = 1, Forwarded = 4;
    private const int MostSide = ScreenFrame.MostSide;

    private readonly object _gate = new();
    private readonly ScreenFrame _picture = new();
    private readonly ZrleEncoder _zrle = new();
    private readonly List<(int X, int Y, int Width, int Height)> _rectangles = [];
    private byte[] _row = [];
    private bool[] _tiles = [];
    private ulong _seen;
    private int _width, _height;

    // Under the gate.
    private RfbPixelFormat _format = RfbPixelFormat.Native;
    private bool _wanted, _whole, _ending, _knowsSizes, _knowsKeys, _toldKeys, _knowsLayouts, _toldLayout;
    private int? _sizeAnswer;
    private int _encoding;
    private (int X, int Y, int Right, int Bottom) _region;

    /// <summary>The client was told of a screen of this size. Before <see cref="Run"/>.</summary>
    internal void Begin(int width, int height) => (_width, _height) = (width, height);

    /// <summary>As <see cref="IRfbRequests.SetFormat"/>.</summary>
    internal void SetFormat(RfbPixelFormat format)
    {
        lock (_gate) _format = format;
    }

    /// <summary>What the client understands.</summary>
    /// <param name="encodings">Most wanted first.</param>
    internal void SetEncodings(ReadOnlySpan<int> encodings)
    {
        lock (_gate)
        {
            int zrle = encodings.IndexOf(Zrle), raw = encodings.IndexOf(Raw);
            _encoding = zrle >= 0 && (raw < 0 || zrle < raw) ? Zrle : Raw;
            _knowsSizes = encodings.Contains(DesktopSize);
            _knowsKeys = encodings.Contains(ExtendedKeys);
            _knowsLayouts = encodings.Contains(ExtendedDesktopSize);
        }
    }

    /// <summary>Whether an encoding is one that matters here.</summary>
    internal static bool IsKnown(int encoding) => encoding is Raw or Zrle or DesktopSize or LastRectangle or ExtendedKeys or ExtendedDesktopSize;

    /// <summary>As <see cref="IRfbRequests.Request"/>. Requests that wait become one.</summary>
    internal void Request(bool incremental, int x, int y, int width, int height)
    {
        lock (_gate)
        {
            (int Right, int Bottom) end = (Math.Min(x + width, MostSide), Math.Min(y + height, MostSide));
            _region = _wanted ? (Math.Min(_region.X, x), Math.Min(_region.Y, y), Math.Max(_region.Right, end.Right), Math.Max(_region.Bottom, end.Bottom)) : (x, y, end.Right, end.Bottom);
            _wanted = true;
            _whole |= !incremental;
            Monitor.Pulse(_gate);
        }
    }

    /// <summary>Tells the client what became of its wish for another size: the guest hears of it, or cannot.</summary>
    internal void AnswerSize(bool isForwarded)
    {
        lock (_gate)
        {
            _sizeAnswer = isForwarded ? Forwarded : Prohibited;
            Monitor.Pulse(_gate);
        }
    }

    /// <summary>Lets <see cref="Run"/> return.</summary>
    internal void End()
    {
        lock (_gate)
        {
            _ending = true;
            Monitor.Pulse(_gate);
        }
    }

    /// <summary>Sends until <see cref="End"/>. Throws <see cref="System.IO.IOException"/> where the client is gone or does not read.</summary>
    internal void Run()
    {
        while (WaitForRequest(out bool whole, out (int X, int Y, int Right, int Bottom) region))
        {
            _seen = watch.Update(_picture, _seen, ref _tiles);
            if (whole) MarkRegion(region);
            if (TrySend(region) || TakeEnd()) continue;
            // Nothing has changed: look again in a while, or when the client says something.
            lock (_gate)
                if (!_ending) Monitor.Wait(_gate, ScreenWatch.PeriodMs);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _zrle.Dispose();

    private bool TakeEnd()
    {
        lock (_gate) return _ending;
    }

    private bool WaitForRequest(out bool whole, out (int X, int Y, int Right, int Bottom) region)
    {
        lock (_gate)
        {
            while (!_wanted && !_ending) Monitor.Wait(_gate);
            (whole, region, _whole) = (_whole, _region, false);
            return !_ending;
        }
    }

    private void MarkRegion((int X, int Y, int Right, int Bottom) region)
    {
        int across = ScreenWatch.TilesAcross(_picture.Width);
        for (int tile = 0; tile < _tiles.Length; tile++)
        {
            int x = tile % across * ScreenWatch.TileSide, y = tile / across * ScreenWatch.TileSide;
            if (x < region.Right && x + ScreenWatch.TileSide > region.X && y < region.Bottom && y + ScreenWatch.TileSide > region.Y) _tiles[tile] = true;
        }
    }

    // False: there is nothing to say.
    private bool TrySend((int X, int Y, int Right, int Bottom) region)
    {
        RfbPixelFormat format;
        int encoding;
        bool resizes, tellsKeys, tellsLayout, knowsLayouts;
        int? answer;
        lock (_gate)
        {
            (format, encoding) = (_format, _encoding);
            knowsLayouts = _knowsLayouts;
            resizes = (_knowsSizes || knowsLayouts) && (_picture.Width != _width || _picture.Height != _height);
            tellsKeys = _knowsKeys && !_toldKeys;
            // Clients learn by it that they may ask for a size.
            tellsLayout = knowsLayouts && (resizes || !_toldLayout);
            answer = knowsLayouts ? _sizeAnswer : null;
            if (resizes) (_width, _height) = (_picture.Width, _picture.Height);
        }
        if (resizes) Array.Fill(_tiles, true);
        // Pixels beside a layout might be dropped with the old picture: they come when the client asks again.
        if (tellsLayout || answer is not null) _rectangles.Clear();
        else Gather(resizes ? (0, 0, _width, _height) : region);
        int count = _rectangles.Count + (resizes || tellsLayout ? 1 : 0) + (tellsKeys ? 1 : 0) + (answer is null ? 0 : 1);
        if (count == 0) return false;
        lock (_gate)
        {
            _wanted = false;
            _toldKeys |= tellsKeys;
            _toldLayout |= tellsLayout;
            if (_sizeAnswer == answer) _sizeAnswer = null;
        }
        writer.Byte(0).Byte(0).Word(count);
        if (answer is int result) SendLayout(OfThisClient, result);
        if (tellsLayout) SendLayout(OfServer, 0);
        else if (resizes) Header(0, 0, _width, _height, DesktopSize);
        if (tellsKeys) Header(0, 0, 0, 0, ExtendedKeys);
        foreach ((int x, int y, int width, int height) in _rectangles) Send(format, encoding, x, y, width, height);
        writer.Flush();
        return true;
    }

    // Tiles that are marked become rectangles of one row of tiles; a client that cannot change its size sees what fits.
    private void Gather((int X, int Y, int Right, int Bottom) region)
    {
        _rectangles.Clear();
        int across = ScreenWatch.TilesAcross(_picture.Width), width = Math.Min(_picture.Width, _width), height = Math.Min(_picture.Height, _height);
        int right = Math.Min(region.Right, width), bottom = Math.Min(region.Bottom, height);
        for (int top = region.Y / ScreenWatch.TileSide * ScreenWatch.TileSide; top < bottom; top += ScreenWatch.TileSide)
        {
            int begun = -1;
            for (int left = region.X / ScreenWatch.TileSide * ScreenWatch.TileSide; ; left += ScreenWatch.TileSide)
            {
                int tile = (top / ScreenWatch.TileSide * across) + (left / ScreenWatch.TileSide);
                bool isMarked = left < right && _tiles[tile];
                if (isMarked)
                {
                    _tiles[tile] = false;
                    if (begun < 0) begun = left;
                    continue;
                }
                if (begun >= 0) _rectangles.Add((begun, top, Math.Min(left, width) - begun, Math.Min(ScreenWatch.TileSide, height - top)));
                begun = -1;
                if (left >= right) break;
            }
        }
    }

    private void Send(RfbPixelFormat format, int encoding, int x, int y, int width, int height)
    {
        Header(x, y, width, height, encoding);
        if (encoding == Zrle)
        {
            ReadOnlySpan<byte> packed = _zrle.Encode(_picture, format, x, y, width, height);
            writer.Long(packed.Length).Bytes(packed);
            return;
        }
        int bytes = width * format.PixelBytes;
        if (_row.Length < bytes) _row = new byte[bytes];
        for (int row = y; row < y + height; row++)
        {
            format.Write(_picture.Row(row).Slice(x, width), _row);
            writer.Bytes(_row.AsSpan(0, bytes));
        }
    }

    // One screen, number 0, which is all of it.
    private void SendLayout(int reason, int result)
    {
        Header(reason, result, _width, _height, ExtendedDesktopSize);
        writer.Byte(1).Byte(0).Word(0).Long(0).Word(0).Word(0).Word(_width).Word(_height).Long(0);
    }

    private void Header(int x, int y, int width, int height, int encoding) => writer.Word(x).Word(y).Word(width).Word(height).Long(encoding);
}
