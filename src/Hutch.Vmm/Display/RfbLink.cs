using System;
using System.IO;
using System.Security.Authentication;
using System.Threading;

namespace Hutch.Vmm.Display;

/// <summary>A client's connection: what it says, what it is told, and the layers that came between. Layers are added by the thread that reads, before there is another.</summary>
internal sealed class RfbLink : IDisposable
{
    private readonly Lock _lock = new();
    private Stream _stream;
    private bool _hasEnded;

    /// <summary>Takes over a connection.</summary>
    internal RfbLink(Stream stream)
    {
        _stream = stream;
        (Reader, Writer) = (new RfbReader(stream), new RfbWriter(stream));
    }

    /// <summary>What the client says.</summary>
    internal RfbReader Reader { get; }

    /// <summary>What it is told.</summary>
    internal RfbWriter Writer { get; }

    /// <summary>Nobody between can read along.</summary>
    internal bool IsEncrypted { get; private set; }

    /// <summary>How long a wait for the client may take, in milliseconds, until the connection is given up.</summary>
    internal void SetPatience(int readMs, int writeMs) => (_stream.ReadTimeout, _stream.WriteTimeout) = (readMs, writeMs);

    /// <summary>The rest is encrypted. Throws <see cref="InvalidDataException"/> where the client does not manage.</summary>
    internal void Encrypt(VncTls tls, bool isBrowser)
    {
        try
        {
            Continue(tls.Encrypt(_stream, isBrowser));
            IsEncrypted = true;
        }
        catch (AuthenticationException refused)
        {
            throw new InvalidDataException(refused.Message, refused);
        }
    }

    /// <summary>The rest comes in messages of a WebSocket. Throws <see cref="InvalidDataException"/> where the request for that is refused.</summary>
    internal void BecomeWebSocket(bool isOpenToAll) => Continue(WebSocketBytes.Accept(_stream, isOpenToAll));

    /// <summary>Ends the connection: whoever waits for it returns. Any thread, any number of times.</summary>
    public void Dispose()
    {
        lock (_lock)
        {
            _hasEnded = true;
            _stream.Dispose();
        }
    }

    private void Continue(Stream stream)
    {
        lock (_lock)
        {
            if (_hasEnded)
            {
                stream.Dispose();
                throw new ObjectDisposedException(nameof(RfbLink));
            }
            (stream.ReadTimeout, stream.WriteTimeout) = (_stream.ReadTimeout, _stream.WriteTimeout);
            Reader.ContinueWith(stream);
            Writer.ContinueWith(stream);
            _stream = stream;
        }
    }
}
