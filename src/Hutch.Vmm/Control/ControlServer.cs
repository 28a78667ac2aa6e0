using System;
using System.Collections.Generic;
using System.IO;
using System.Text.Json;
using System.Threading;
using Hutch.Devices;
using Hutch.Host.Files;
using Hutch.Host.Linux;
using Hutch.Host.Sockets;
using Hutch.Model.Control;

namespace Hutch.Vmm.Control;

/// <summary>
/// Where a running machine takes commands: a UNIX socket in a directory of the machine's name that only its user can enter. A lock beside it keeps a
/// second machine from the same name, and tells clients whether the socket's owner lives. One thread for each connection; a peer can ask, never break.
/// </summary>
internal sealed class ControlServer : IDisposable
{
    private const int MostConnections = 16, StackBytes = 256 * 1024;

    private readonly Lock _lock = new();
    private readonly HashSet<LocalConnection> _connections = [];
    private readonly LockFile _held;
    private readonly LocalListener _listener;
    private readonly string _directory;
    private readonly Thread _acceptor;
    private Func<ControlCall, VmReply>? _handler;
    private bool _ending;

    private ControlServer(LockFile held, LocalListener listener, string directory)
    {
        (_held, _listener, _directory) = (held, listener, directory);
        _acceptor = new Thread(Accept, StackBytes) { IsBackground = true, Name = "control" };
    }

    /// <summary>Takes the name and listens; clients wait until <see cref="Serve"/>. Throws <see cref="ConfigException"/>.</summary>
    internal static ControlServer Open(string name)
    {
        if (!VmName.IsValid(name))
            throw new ConfigException($"'{name}' cannot be a machine's name: use letters, digits, '.', '_' and '-', at most {VmName.LongestLength}, beginning with a letter or digit.");
        string root = RuntimeDirectory.Of("hutch"), directory = Path.Combine(root, name);
        try
        {
            RuntimeDirectory.Create(root);
            RuntimeDirectory.Create(directory);
            LockFile held = LockFile.TryTake(Path.Combine(directory, VmName.LockFile))
                ?? throw new ConfigException($"A machine named '{name}' runs already; choose another name with --name, or end it with 'hutch kill {name}'.");
            try
            {
                return new ControlServer(held, new LocalListener(Path.Combine(directory, VmName.SocketFile)), directory);
            }
            catch
            {
                held.Dispose();
                throw;
            }
        }
        catch (Exception refused) when (refused is IOException or UnauthorizedAccessException or LinuxException)
        {
            throw new ConfigException($"The machine '{name}' cannot take commands in {directory} ({refused.Message.TrimEnd('.')}); set XDG_RUNTIME_DIR to a directory of your own.", refused);
        }
    }

    /// <summary>Begins to answer; <paramref name="handler"/> is called on the connections' threads and must not throw.</summary>
    internal void Serve(Func<ControlCall, VmReply> handler)
    {
        _handler = handler;
        _acceptor.Start();
    }

    /// <summary>Stops listening and gives the name back. Clients see the end of their connection.</summary>
    public void Dispose()
    {
        lock (_lock)
        {
            _ending = true;
            foreach (LocalConnection connection in _connections) connection.Shutdown();
        }
        _listener.Dispose();
        if (_handler is not null) _acceptor.Join();
        _held.Dispose();
        try
        {
            Directory.Delete(_directory);
        }
        catch (IOException)
        {
            // The next machine of this name is there already.
        }
    }

    private void Accept()
    {
        while (_listener.Accept() is LocalConnection connection)
        {
            lock (_lock)
            {
                if (_ending || _connections.Count == MostConnections)
                {
                    connection.Dispose();
                    continue;
                }
                _connections.Add(connection);
            }
            new Thread(() => Converse(connection), StackBytes) { IsBackground = true, Name = "control client" }.Start();
        }
    }

    // The wall of a client's thread: a bad line is answered, a lost client is forgotten.
    private void Converse(LocalConnection connection)
    {
        try
        {
            while (connection.TryReadLine(out ReadOnlySpan<byte> line))
            {
                VmReply reply;
                try
                {
                    using ControlCall call = new(ControlLine.ReadRequest(line), connection);
                    reply = _handler!(call);
                }
                catch (JsonException broken)
                {
                    reply = VmReply.Error($"The request is not understood: {broken.Message}");
                }
                if (!connection.Write(ControlLine.Write(reply))) break;
            }
        }
        finally
        {
            lock (_lock) _connections.Remove(connection);
            connection.Dispose();
        }
    }
}
