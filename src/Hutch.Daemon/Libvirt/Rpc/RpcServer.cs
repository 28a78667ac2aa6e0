using System;
using System.Collections.Generic;
using System.Linq;
using System.Net.Sockets;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Host.Time;

namespace Hutch.Daemon.Libvirt.Rpc;

/// <summary>Takes connections on some sockets and serves each until it ends.</summary>
/// <param name="procedures">What is answered.</param>
/// <param name="mayEnter">Whether a user's connection is taken at all, and by a socket that lets nobody change anything.</param>
/// <param name="clock">For keepalive.</param>
/// <param name="log">Takes sentences for the operator.</param>
internal sealed class RpcServer(ProcedureTable procedures, Func<ClientIdentity, bool, bool> mayEnter, IClock clock, Action<string> log)
{
    private readonly Lock _lock = new();
    private readonly HashSet<RpcConnection> _connections = [];

    /// <summary>Serves until cancelled; then ends every connection. The sockets stay the caller's.</summary>
    internal async Task RunAsync(IReadOnlyList<RpcListener> listeners, CancellationToken cancellation)
    {
        await Task.WhenAll([.. listeners.Select(listener => AcceptAsync(listener, cancellation)), TickAsync(cancellation)]).ConfigureAwait(false);
        foreach (RpcConnection connection in Connections()) connection.Abort();
    }

    private async Task AcceptAsync(RpcListener listener, CancellationToken cancellation)
    {
        while (true)
        {
            try
            {
                (Socket socket, ClientIdentity identity) = await listener.AcceptAsync(cancellation).ConfigureAwait(false);
                _ = ServeAsync(socket, identity, listener.IsReadOnly);
            }
            catch (OperationCanceledException)
            {
                return;
            }
            catch (SocketException refused)
            {
                // One that was gone before it was taken, or a table of the kernel that is full: others may still come.
                log($"A connection on {listener.Path} could not be taken: {refused.Message}");
            }
        }
    }

    private async Task ServeAsync(Socket socket, ClientIdentity identity, bool isReadOnly)
    {
        using NetworkStream stream = new(socket, ownsSocket: true);
        if (!mayEnter(identity, isReadOnly))
        {
            log($"User {identity.User} (process {identity.ProcessId}) is not let in.");
            return;
        }
        using RpcConnection connection = new(stream, identity, isReadOnly, procedures, clock, log);
        lock (_lock)
        {
            if (_connections.Count == ClientLimits.Connections) return;
            _connections.Add(connection);
        }
        try
        {
            await connection.RunAsync().ConfigureAwait(false);
        }
        finally
        {
            lock (_lock) _connections.Remove(connection);
        }
    }

    private async Task TickAsync(CancellationToken cancellation)
    {
        using PeriodicTimer second = new(TimeSpan.FromSeconds(1));
        try
        {
            while (await second.WaitForNextTickAsync(cancellation).ConfigureAwait(false))
                foreach (RpcConnection connection in Connections()) connection.Tick();
        }
        catch (OperationCanceledException)
        {
        }
    }

    private RpcConnection[] Connections()
    {
        lock (_lock) return [.. _connections];
    }
}
