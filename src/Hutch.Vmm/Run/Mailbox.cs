using System.Collections.Generic;
using System.Threading;
using Hutch.Devices;

namespace Hutch.Vmm.Run;

/// <summary>Where every thread posts and the state driver alone reads. Posting never waits for the machine.</summary>
internal sealed class Mailbox : IPlatformEvents
{
    private readonly Queue<MachineRequest> _waiting = new();

    /// <summary>Posts a request, unless one of its kind waits already: a guest can post in a loop, and says nothing new. Any thread.</summary>
    internal void Post(MachineRequest request)
    {
        lock (_waiting)
        {
            foreach (MachineRequest earlier in _waiting)
                if (earlier.Kind == request.Kind) return;
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

    /// <summary>Drops the resets that were asked for before the machine was reset. Other requests stay.</summary>
    internal void ForgetResets()
    {
        lock (_waiting)
        {
            for (int left = _waiting.Count; left > 0; left--)
            {
                MachineRequest request = _waiting.Dequeue();
                if (request.Kind != RequestKind.Reset) _waiting.Enqueue(request);
            }
        }
    }

    void IPlatformEvents.PowerOff() => Post(new MachineRequest(RequestKind.PowerOff));

    void IPlatformEvents.Reset() => Post(new MachineRequest(RequestKind.Reset));

    void IPlatformEvents.Exit(int status) => Post(new MachineRequest(RequestKind.Exit, status));
}
