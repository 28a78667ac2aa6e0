using System.Collections.Generic;
using System.Threading;
using Hutch.Devices;
using Hutch.Model.Control;
using Hutch.Model.Machine;

namespace Hutch.Vmm.Run;

/// <summary>Where every thread posts and the state driver alone reads. Posting never waits for the machine.</summary>
internal sealed class Mailbox : IPlatformEvents
{
    private static readonly VmReply MachineHasEnded = VmReply.Error("The machine has ended.");

    private readonly Queue<MachineRequest> _waiting = new();
    private bool _closed;

    /// <summary>
    /// Posts a request, unless one of its kind waits already: a guest can post in a loop, and says nothing new. Of clients each is heard; there are only
    /// so many of them. Any thread.
    /// </summary>
    internal void Post(MachineRequest request)
    {
        lock (_waiting)
        {
            if (_closed)
            {
                request.Call?.Complete(MachineHasEnded);
                return;
            }
            foreach (MachineRequest earlier in _waiting)
                if (earlier.Kind == request.Kind && request.Call is null) return;
            _waiting.Enqueue(request);
            Monitor.Pulse(_waiting);
        }
    }

    /// <summary>Waits for the next request.</summary>
    internal MachineRequest Take()
    {
        lock (_waiting)
        {
            while (_waiting.Count == 0) Monitor.Wait(_waiting);
            return _waiting.Dequeue();
        }
    }

    /// <summary>Whether a request of a kind waits.</summary>
    internal bool Holds(RequestKind kind)
    {
        lock (_waiting)
        {
            foreach (MachineRequest request in _waiting)
                if (request.Kind == kind) return true;
            return false;
        }
    }

    /// <summary>Drops requests of a kind that what was just done answers too, for example resets after a reset. Other requests stay.</summary>
    internal void Forget(RequestKind kind)
    {
        lock (_waiting)
        {
            for (int left = _waiting.Count; left > 0; left--)
            {
                MachineRequest request = _waiting.Dequeue();
                if (request.Kind != kind) _waiting.Enqueue(request);
            }
        }
    }

    /// <summary>The machine has ended: clients that wait are told, and nobody waits any more.</summary>
    internal void Close()
    {
        lock (_waiting)
        {
            _closed = true;
            while (_waiting.TryDequeue(out MachineRequest? request)) request.Call?.Complete(MachineHasEnded);
        }
    }

    void IPlatformEvents.PowerOff() => Post(new MachineRequest(RequestKind.PowerOff));

    void IPlatformEvents.Reset() => Post(new MachineRequest(RequestKind.Reset));

    void IPlatformEvents.Exit(int status) => Post(new MachineRequest(RequestKind.Exit, status));

    void IPlatformEvents.Ejected() => Post(new MachineRequest(RequestKind.Ejected));

    void IPlatformEvents.StorageFailed(string sentence, bool pause) =>
        Post(new MachineRequest(pause ? RequestKind.StorageStop : RequestKind.Report, Detail: sentence));

    void IPlatformEvents.Alarm(string sentence, AlarmAction action)
    {
        if (action == AlarmAction.Pause)
        {
            Post(new MachineRequest(RequestKind.AlarmStop, Detail: sentence));
            return;
        }
        string then = action switch { AlarmAction.Reset => "the machine is reset", AlarmAction.PowerOff => "the machine ends", _ => "the machine goes on" };
        Post(new MachineRequest(RequestKind.Report, Detail: $"{sentence}; {then}."));
        if (action == AlarmAction.Reset) Post(new MachineRequest(RequestKind.Reset));
        if (action == AlarmAction.PowerOff) Post(new MachineRequest(RequestKind.PowerOff));
    }
}
