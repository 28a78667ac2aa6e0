using System;
using System.Collections.Generic;
using System.IO;
using System.Text.Json;
using Hutch.Host.Files;
using Hutch.Host.Linux;
using Hutch.Host.Sockets;
using Hutch.Model.Control;
using Hutch.Model.Machine;

namespace Hutch.Cli.Control;

/// <summary>A connection to a running machine, found by its name.</summary>
internal sealed class VmClient : IDisposable
{
    private readonly LocalConnection _connection;

    private VmClient(string name, LocalConnection connection)
    {
        Name = name;
        _connection = connection;
    }

    /// <summary>The machine's name.</summary>
    internal string Name { get; }

    /// <summary>The names in the runtime directory, sorted. Some may belong to machines that were killed.</summary>
    internal static List<string> Names()
    {
        string root = Root();
        List<string> names = [];
        if (!Directory.Exists(root)) return names;
        foreach (string directory in Directory.EnumerateDirectories(root)) names.Add(Path.GetFileName(directory));
        names.Sort(StringComparer.Ordinal);
        return names;
    }

    /// <summary>Connects. Throws <see cref="UserException"/> where no machine of that name runs.</summary>
    internal static VmClient Connect(string name) =>
        TryConnect(name) ?? throw new UserException($"There is no running machine named '{name}'; 'hutch ps' lists those that run.", ExitStatus.BadConfiguration);

    /// <summary>Connects; null where no machine of that name runs.</summary>
    internal static VmClient? TryConnect(string name)
    {
        if (!VmName.IsValid(name)) return null;
        try
        {
            LocalConnection? connection = LocalConnection.Connect(Path.Combine(Root(), name, VmName.SocketFile));
            return connection is null ? null : new VmClient(name, connection);
        }
        catch (Exception refused) when (refused is IOException or LinuxException)
        {
            throw new UserException($"The machine '{name}' cannot be reached: {refused.Message}", ExitStatus.BadConfiguration);
        }
    }

    /// <summary>Asks and waits for the answer; the machine may end before it has given one, which is null. Throws <see cref="UserException"/> for a refusal.</summary>
    /// <param name="request">What to ask.</param>
    /// <param name="progress">Told how far the machine is: bytes done and in all.</param>
    /// <param name="timeoutMs">How long to wait for each line of the answer; -1: for ever.</param>
    internal VmReply? Ask(VmRequest request, Action<long, long>? progress = null, int timeoutMs = -1)
    {
        if (!_connection.Write(ControlLine.Write(request))) return null;
        while (_connection.TryReadLine(out ReadOnlySpan<byte> line, timeoutMs))
        {
            VmReply reply;
            try
            {
                reply = ControlLine.ReadReply(line);
            }
            catch (JsonException broken)
            {
                throw new UserException($"The machine '{Name}' gave an answer that is not understood: {broken.Message}", ExitStatus.InternalError);
            }
            if (reply.Kind == VmReplyKind.Progress) progress?.Invoke(reply.Done, reply.Total);
            else if (reply.Kind == VmReplyKind.Done) return reply;
            else throw new UserException($"'{Name}': {reply.Message ?? "the machine refused."}", ExitStatus.BadConfiguration);
        }
        return null;
    }

    /// <summary>The error for an <see cref="Ask"/> without an answer.</summary>
    internal UserException NoAnswer() => new($"The machine '{Name}' gave no answer; it may just have ended.", ExitStatus.BadConfiguration);

    /// <summary>Waits until the machine closes the connection, as it does when it ends. False when <paramref name="timeoutMs"/> passed before.</summary>
    internal bool WaitForEnd(int timeoutMs)
    {
        _ = _connection.TryReadLine(out _, timeoutMs);
        return _connection.IsPeerGone;
    }

    /// <inheritdoc/>
    public void Dispose() => _connection.Dispose();

    private static string Root()
    {
        string root = RuntimeDirectory.Of("hutch");
        try
        {
            // Sockets of another user's making must not pass for machines.
            if (Directory.Exists(root)) RuntimeDirectory.Create(root);
            return root;
        }
        catch (Exception refused) when (refused is IOException or LinuxException)
        {
            throw new UserException(refused.Message, ExitStatus.BadConfiguration);
        }
    }
}
