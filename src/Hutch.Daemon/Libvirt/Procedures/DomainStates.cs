using Hutch.Management.Domains;
using Hutch.Management.Events;

namespace Hutch.Daemon.Libvirt.Procedures;

/// <summary>States and events of domains as libvirt numbers them (libvirt-domain.h).</summary>
internal static class DomainStates
{
    // virDomainState and virDomainEventType.
    private const int Running = 1, Paused = 3, ShutOff = 5;
    private const int EventDefined = 0, EventUndefined = 1, EventStarted = 2, EventSuspended = 3, EventResumed = 4, EventStopped = 5, EventShutdown = 6;

    /// <summary>virDomainState and the reason.</summary>
    internal static (int State, int Reason) Of(Domain domain) => domain.State switch
    {
        // virDomainRunningReason: unknown, booted, unpaused.
        DomainState.Running => (Running, domain.Cause switch { DomainCause.Booted => 1, DomainCause.Asked => 5, _ => 0 }),
        // virDomainPausedReason: user, save, I/O error.
        DomainState.Saving => (Paused, 3),
        DomainState.Paused => (Paused, domain.Cause switch { DomainCause.StorageFailed => 5, DomainCause.Unknown => 0, _ => 1 }),
        // virDomainShutoffReason: unknown, shutdown, destroyed, crashed, saved.
        _ => (ShutOff, domain.Cause switch { DomainCause.Guest => 1, DomainCause.Asked => 2, DomainCause.Crashed => 3, DomainCause.Saved => 5, _ => 0 }),
    };

    /// <summary>virDomainEventType and the detail; null where it is no such event.</summary>
    internal static (int Event, int Detail)? LifecycleOf(DomainEvent happened) => happened.Change switch
    {
        DomainChange.Defined => (EventDefined, 0),
        DomainChange.Redefined => (EventDefined, 1),
        DomainChange.Undefined => (EventUndefined, 0),
        DomainChange.Started => (EventStarted, 0),
        DomainChange.Suspended => (EventSuspended, happened.Cause == DomainCause.StorageFailed ? 2 : 0),
        DomainChange.Resumed => (EventResumed, 0),
        DomainChange.ShuttingDown => (EventShutdown, happened.Cause == DomainCause.Guest ? 1 : 2),
        DomainChange.Stopped => (EventStopped, happened.Cause switch { DomainCause.Asked => 1, DomainCause.Crashed => 2, DomainCause.Saved => 4, _ => 0 }),
        _ => null,
    };
}
