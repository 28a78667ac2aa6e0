using System;
using System.Collections.Generic;
using System.IO;
using System.Net.Sockets;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Host.Sockets;

namespace Hutch.Block.Nbd;

/// <summary>
/// Offers nodes over NBD: fixed newstyle handshake, structured replies, TLS, block status. What a client sends can end its own connection and nothing else: lengths are
/// capped before memory is taken, each connection holds a limited amount of it, and a client that does not read waits alone.
/// </summary>
public sealed class NbdServer
{
    private readonly IReadOnlyList<NbdExport> _exports;
    private readonly NbdServerOptions _options;
    private readonly Lock _lock = new();
    private readonly HashSet<Task> _clients = [];

    /// <summary>Makes a server; it does nothing by itself.</summary>
    public NbdServer(IReadOnlyList<NbdExport> exports, NbdServerOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        (_exports, _options) = (exports, options);
    }

    /// <summary>Connections now.</summary>
    public int Clients
    {
        get
        {
            lock (_lock) return _clients.Count;
        }
    }

    /// <summary>Serves whoever connects, until <paramref name="cancellation"/>; then all connections are closed, and requests that were begun are finished.</summary>
    /// <param name="listener">Where to listen; it stays the caller's.</param>
    /// <param name="idle">Called when the last of several clients has gone. Any thread.</param>
    /// <param name="cancellation">Ends the server.</param>
    public async Task RunAsync(StreamListener listener, Action? idle, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(listener);
        try
        {
            while (true)
            {
                Stream stream;
                try
                {
                    stream = await listener.AcceptAsync(cancellation).ConfigureAwait(false);
                }
                catch (SocketException e)
                {
                    // For example no descriptors left: others may close theirs.
                    _options.Report?.Invoke($"A connection could not be accepted: {e.Message}.");
                    await Task.Delay(100, cancellation).ConfigureAwait(false);
                    continue;
                }
                await AdmitAsync(stream, idle, cancellation).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException)
        {
            // The end.
        }
        Task[] rest;
        lock (_lock) rest = [.. _clients];
        await Task.WhenAll(rest).ConfigureAwait(false);
    }

    /// <summary>Serves one connection to its end, whatever the client does. Owns the stream.</summary>
    internal async Task ServeAsync(Stream stream, CancellationToken cancellation)
    {
        try
        {
            NbdServerChoice? choice;
            using (CancellationTokenSource patience = CancellationTokenSource.CreateLinkedTokenSource(cancellation))
            {
                // A client that says nothing must not keep its place for ever.
                patience.CancelAfter(_options.HandshakeTimeout);
                NbdServerHandshake handshake = new(stream, _exports, _options.Tls);
                choice = await handshake.RunAsync(patience.Token).ConfigureAwait(false);
                stream = handshake.Stream;
            }
            if (choice is null) return;
            using NbdServerSession session = new(stream, choice);
            await session.RunAsync(cancellation).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            if (!cancellation.IsCancellationRequested) _options.Report?.Invoke("A client did not finish its handshake in time.");
        }
        catch (Exception e) when (e is IOException or SocketException or ObjectDisposedException)
        {
            if (e is NbdException) _options.Report?.Invoke($"A client was cut off: {e.Message}.");
        }
        finally
        {
            await stream.DisposeAsync().ConfigureAwait(false);
        }
    }

    private async ValueTask AdmitAsync(Stream stream, Action? idle, CancellationToken cancellation)
    {
        bool full;
        lock (_lock) full = _clients.Count >= _options.MostClients;
        if (full)
        {
            _options.Report?.Invoke($"A connection was refused: {_options.MostClients} clients are served already.");
            await stream.DisposeAsync().ConfigureAwait(false);
            return;
        }
        TaskCompletionSource gone = new(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (_lock) _ = _clients.Add(gone.Task);
        _ = FollowAsync(stream, gone, idle, cancellation);
    }

    private async Task FollowAsync(Stream stream, TaskCompletionSource gone, Action? idle, CancellationToken cancellation)
    {
        try
        {
            // Not on the thread that accepts: a client's first bytes may come slowly.
            await Task.Yield();
            await ServeAsync(stream, cancellation).ConfigureAwait(false);
        }
        finally
        {
            bool last;
            lock (_lock)
            {
                _ = _clients.Remove(gone.Task);
                last = _clients.Count == 0;
            }
            gone.SetResult();
            if (last) idle?.Invoke();
        }
    }
}
