using System;
using System.Collections.Immutable;

namespace Hutch.Management.Events;

/// <summary>
/// Tells whoever listens what happened. Any thread. A listener is called on the thread where it happens, before the call that caused it returns: it passes the event on and does not wait.
/// </summary>
public sealed class EventHub
{
    private ImmutableList<Action<ManagementEvent>> _listeners = [];

    /// <summary>Tells all that listen.</summary>
    public void Publish(ManagementEvent what)
    {
        foreach (Action<ManagementEvent> listener in _listeners) listener(what);
    }

    /// <summary>Has a listener called until the result is disposed of.</summary>
    public IDisposable Listen(Action<ManagementEvent> listener)
    {
        ImmutableInterlocked.Update(ref _listeners, static (all, one) => all.Add(one), listener);
        return new Listening(this, listener);
    }

    private sealed class Listening(EventHub hub, Action<ManagementEvent> listener) : IDisposable
    {
        public void Dispose() => ImmutableInterlocked.Update(ref hub._listeners, static (all, one) => all.Remove(one), listener);
    }
}
