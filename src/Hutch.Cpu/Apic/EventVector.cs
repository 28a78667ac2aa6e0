using System;
using System.Threading;
using Hutch.Core.Interrupts;
using Hutch.Host.Events;

namespace Hutch.Cpu.Apic;

/// <summary>A vector whose event a thread of ours waits for: what KVM_IRQFD does in the kernel.</summary>
/// <param name="router">Delivers the message.</param>
/// <param name="watcher">Waits for the event.</param>
/// <param name="existing">The event of the vector that this one takes the place of, not owned; null: an event of its own.</param>
internal sealed class EventVector(IInterruptRouter router, EventWatcher watcher, EventFd? existing) : IMsiVector
{
    private readonly Lock _lock = new();
    private MsiMessage _message;
    private IDisposable? _watch;

    /// <inheritdoc/>
    public EventFd Event { get; } = existing ?? EventFd.Create("An interrupt vector");

    /// <inheritdoc/>
    public void SetMessage(MsiMessage? message)
    {
        // Not watched it keeps its signals, and is looked at as soon as it is watched again.
        if (message is null) Unwatch();
        else
        {
            lock (_lock) _message = message.Value;
            _watch ??= watcher.Add(Event, Deliver);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Unwatch();
        if (existing is null) Event.Dispose();
    }

    private void Unwatch()
    {
        _watch?.Dispose();
        _watch = null;
    }

    private void Deliver()
    {
        if (!Event.Drain()) return;
        MsiMessage message;
        lock (_lock) message = _message;
        router.SignalMsi(message);
    }
}
