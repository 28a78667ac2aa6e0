using System.Collections.Generic;
using System.Threading;
using Hutch.Host.Sockets;
using Hutch.Model.Control;

namespace Hutch.Vmm.Control;

/// <summary>The clients that want to know whatever happens to the machine. Any thread.</summary>
internal sealed class Watchers
{
    private readonly Lock _lock = new();
    private readonly List<LocalConnection> _watching = [];

    /// <summary>Tells a client from now on, until it is gone.</summary>
    internal void Add(LocalConnection client)
    {
        lock (_lock)
        {
            _watching.RemoveAll(static other => other.IsPeerGone);
            if (!_watching.Contains(client)) _watching.Add(client);
        }
    }

    /// <summary>Tells all. A client that does not read is not waited for, and told nothing more.</summary>
    internal void Tell(string what, string? message = null)
    {
        byte[] line = ControlLine.Write(new VmReply(VmReplyKind.Event, message) { Event = what });
        lock (_lock) _watching.RemoveAll(client => !client.Write(line, patienceMs: 0));
    }
}
