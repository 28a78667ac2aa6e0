using System.Threading;
using Hutch.Host.Sockets;
using Hutch.Model.Control;

namespace Hutch.Vmm.Control;

/// <summary>One request of a client on its way through the state driver. The connection's thread waits for <see cref="Complete"/>.</summary>
internal sealed class ControlCall(VmRequest request, LocalConnection? client = null) : System.IDisposable
{
    private readonly ManualResetEventSlim _completed = new();
    private VmReply _reply = VmReply.Completed;

    /// <summary>What is asked.</summary>
    internal VmRequest Request => request;

    /// <summary>The client went away: long work that it asked for is given up.</summary>
    internal bool IsCancelled => client?.IsPeerGone ?? false;

    /// <summary>Tells the client how far the work is. A client that does not read is not waited for.</summary>
    internal void Report(long done, long total) => client?.Write(ControlLine.Write(new VmReply(VmReplyKind.Progress, Done: done, Total: total)), patienceMs: 0);

    /// <summary>Has the client told what happens from now on.</summary>
    internal void Watch(Watchers watchers)
    {
        if (client is not null) watchers.Add(client);
    }

    /// <summary>Ends the call. Any thread; the first reply counts.</summary>
    internal void Complete(VmReply reply)
    {
        if (_completed.IsSet) return;
        _reply = reply;
        _completed.Set();
    }

    /// <summary>Waits for the reply.</summary>
    internal VmReply Wait()
    {
        _completed.Wait();
        return _reply;
    }

    /// <inheritdoc/>
    public void Dispose() => _completed.Dispose();
}
