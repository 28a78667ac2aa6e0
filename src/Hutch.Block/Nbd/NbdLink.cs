using System;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Graph;

namespace Hutch.Block.Nbd;

/// <summary>
/// The connection of a node, made again when it is lost. Within the reconnect delay requests wait and are asked again; afterwards they fail, and each second one of
/// them tries whether the server is back.
/// </summary>
internal sealed class NbdLink : IAsyncDisposable
{
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(1);

    private readonly NbdClientOptions _options;
    private readonly SemaphoreSlim _connecting = new(1);
    private NbdSession _session;
    private long _lostSince, _lastTrial;
    private bool _isLost;

    private NbdLink(NbdClientOptions options, NbdSession session) => (_options, _session) = (options, session);

    /// <summary>The export, as it was when the node was opened.</summary>
    internal NbdExportInfo Info { get; private init; } = new();

    /// <summary>Connects for the first time. Throws <see cref="NbdException"/>.</summary>
    internal static async ValueTask<NbdLink> OpenAsync(NbdClientOptions options, CancellationToken cancellation)
    {
        NbdSession session = await NbdSession.ConnectAsync(options, cancellation).ConfigureAwait(false);
        return new NbdLink(options, session) { Info = session.Info };
    }

    /// <summary>Carries a request out, over a new connection if need be. <paramref name="make"/> makes it anew for each trial. Throws <see cref="BlockIoException"/>.</summary>
    internal async ValueTask<NbdRequest> RunAsync(Func<NbdRequest> make, CancellationToken cancellation)
    {
        while (true)
        {
            NbdSession session = await SessionAsync(cancellation).ConfigureAwait(false);
            NbdRequest request = make();
            try
            {
                await session.RunAsync(request).ConfigureAwait(false);
            }
            catch (NbdException e)
            {
                if (_options.ReconnectDelay > TimeSpan.Zero) continue;
                throw new BlockIoException($"\"{_options.Address}\": {e.Message}", e);
            }
            if (request.Errno == 0) return request;
            string said = request.Message.Length == 0 ? "" : $" ({request.Message})";
            throw new BlockIoException($"\"{_options.Address}\": the server failed a {request.Command} of {request.LengthBytes} bytes at {request.Offset}: "
                + $"{System.Runtime.InteropServices.Marshal.GetPInvokeErrorMessage(request.Errno)}{said}.", request.Errno);
        }
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => _session.DisposeAsync();

    private ValueTask<NbdSession> SessionAsync(CancellationToken cancellation)
    {
        NbdSession session = Volatile.Read(ref _session);
        return session.IsLost ? ReconnectAsync(cancellation) : new(session);
    }

    private async ValueTask<NbdSession> ReconnectAsync(CancellationToken cancellation)
    {
        await _connecting.WaitAsync(cancellation).ConfigureAwait(false);
        try
        {
            TimeProvider time = _options.Time;
            if (!_session.IsLost) return _session;
            if (!_isLost) (_isLost, _lostSince, _lastTrial) = (true, time.GetTimestamp(), 0);
            while (true)
            {
                bool waits = time.GetElapsedTime(_lostSince) < _options.ReconnectDelay;
                if (!waits && _lastTrial != 0 && time.GetElapsedTime(_lastTrial) < Pause) throw Gone("the connection to the server is lost");
                _lastTrial = time.GetTimestamp();
                try
                {
                    await ConnectAsync(cancellation).ConfigureAwait(false);
                    return _session;
                }
                catch (NbdException e)
                {
                    if (!waits) throw Gone(e.Message);
                }
                await Task.Delay(Pause, time, cancellation).ConfigureAwait(false);
            }
        }
        finally
        {
            _ = _connecting.Release();
        }
    }

    private async ValueTask ConnectAsync(CancellationToken cancellation)
    {
        NbdSession session = await NbdSession.ConnectAsync(_options, cancellation).ConfigureAwait(false);
        // Another disk under the same name would be worse than none.
        if (session.Info.LengthBytes != Info.LengthBytes || (Info.Flags & ~session.Info.Flags & ~NbdExportFlags.ReadOnly) != 0
            || session.Info.Has(NbdExportFlags.ReadOnly) != Info.Has(NbdExportFlags.ReadOnly) || session.Info.MinimumBlockBytes > Info.MinimumBlockBytes
            || session.Info.MaximumBlockBytes < Info.MaximumBlockBytes || session.Info.ContextId is null != Info.ContextId is null)
        {
            await session.DisposeAsync().ConfigureAwait(false);
            throw new NbdException("the server offers another export now");
        }
        await _session.DisposeAsync().ConfigureAwait(false);
        Volatile.Write(ref _session, session);
        _isLost = false;
    }

    private BlockIoException Gone(string why) => new($"\"{_options.Address}\": {why}", BlockIoException.Eio);
}
