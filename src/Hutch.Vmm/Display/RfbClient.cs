using System;
using System.IO;
using System.Net.Sockets;
using System.Threading;

namespace Hutch.Vmm.Display;

/// <summary>One connection: a thread that reads, and one that sends. The walls of both: a client that breaks the protocol, does not read or is gone ends its connection and nothing else.</summary>
internal sealed class RfbClient : IRfbRequests, IDisposable
{
    private const int StackBytes = 256 * 1024, HandshakePatienceMs = 30_000, SendPatienceMs = 30_000, MostEncodings = 16;

    private readonly RfbLink _link;
    private readonly VncServer _server;
    private readonly RfbInput _input;
    private readonly bool _isBrowser;
    private readonly RfbUpdates _updates;
    private readonly ScreenWatch _watch;
    private readonly int[] _encodings = new int[MostEncodings];
    private int _encodingCount, _left;

    /// <summary>Takes over the connection.</summary>
    /// <param name="stream">The connection.</param>
    /// <param name="isBrowser">It begins as a WebSocket.</param>
    /// <param name="server">Whose client it is.</param>
    /// <param name="watch">The screen.</param>
    /// <param name="input">The machine's keyboards and pointing devices.</param>
    internal RfbClient(Stream stream, bool isBrowser, VncServer server, ScreenWatch watch, RfbInput input)
    {
        (_link, _isBrowser, _server, _watch, _input) = (new RfbLink(stream), isBrowser, server, watch, input);
        _updates = new RfbUpdates(watch, _link.Writer);
    }

    /// <summary>Begins. The server hears of the end.</summary>
    internal void Start() => new Thread(Read, StackBytes) { IsBackground = true, Name = "vnc client" }.Start();

    /// <summary>Ends the connection: what waits returns. Any thread.</summary>
    internal void Leave()
    {
        if (Interlocked.Exchange(ref _left, 1) != 0) return;
        _updates.End();
        _link.Dispose();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Leave();
        _updates.Dispose();
    }

    void IRfbRequests.SetFormat(RfbPixelFormat format) => _updates.SetFormat(format);

    void IRfbRequests.BeginEncodings() => _encodingCount = 0;

    void IRfbRequests.AddEncoding(int encoding)
    {
        if (RfbUpdates.IsKnown(encoding) && _encodingCount < MostEncodings) _encodings[_encodingCount++] = encoding;
    }

    void IRfbRequests.EndEncodings() => _updates.SetEncodings(_encodings.AsSpan(0, _encodingCount));

    void IRfbRequests.Request(bool incremental, int x, int y, int width, int height) => _updates.Request(incremental, x, y, width, height);

    void IRfbRequests.KeySymbol(uint symbol, bool down) => _input.KeySymbol(symbol, down);

    void IRfbRequests.KeyCode(uint code, uint symbol, bool down) => _input.KeyCode(code, symbol, down);

    void IRfbRequests.AskForSize(int width, int height) => _updates.AnswerSize(_watch.AskForSize(width, height));

    void IRfbRequests.Pointer(int buttons, int x, int y) => _input.Pointer(buttons, x, y);

    private static bool IsTheirs(Exception error) => error is IOException or InvalidDataException or SocketException or ObjectDisposedException;

    private void Read()
    {
        Thread? sender = null;
        try
        {
            _link.SetPatience(HandshakePatienceMs, SendPatienceMs);
            if (!_server.Admit(_link, _isBrowser)) return;
            (int width, int height) = _watch.Size;
            _updates.Begin(width, height);
            if (!_server.Handshake.Begin(_link, width, height)) _server.SendOthersAway(this);
            _link.SetPatience(Timeout.Infinite, SendPatienceMs);
            sender = new Thread(Send, StackBytes) { IsBackground = true, Name = "vnc sender" };
            sender.Start();
            while (true) RfbMessages.ReadOne(_link.Reader, this);
        }
        catch (Exception end) when (IsTheirs(end))
        {
            // They left, or said what cannot be understood.
        }
        finally
        {
            _input.ReleaseAll();
            Leave();
            sender?.Join();
            _server.Forget(this);
            Dispose();
        }
    }

    private void Send()
    {
        try
        {
            _updates.Run();
        }
        catch (Exception end) when (IsTheirs(end))
        {
            Leave();
        }
    }
}
